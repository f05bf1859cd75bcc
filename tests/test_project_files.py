"""The files that forges and containers read agree with the project. No image is built: that needs a Docker engine."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import typer
from documentation import HOME, blocks, commands

from bench import cli

PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
cli._register()
CITATION = (HOME / "CITATION.cff").read_text(encoding="utf-8")


def test_the_citation_names_this_version_and_licence() -> None:
    assert re.search(r"^version: (.*)$", CITATION, re.MULTILINE)[1] == PROJECT["version"]  # type: ignore[index]
    assert re.search(r"^license: (.*)$", CITATION, re.MULTILINE)[1] == PROJECT["license"]  # type: ignore[index]


def _instructions() -> list[tuple[str, str]]:
    """(instruction, its text) of the Dockerfile, continued lines joined, comments left out."""
    text = (HOME / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def test_the_dockerfile_installs_and_starts_as_the_readme_does() -> None:
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    first = re.search(r"^    (pip install .*) && (python run_benchmark\.py)$", readme, re.MULTILINE)
    assert first is not None
    (install,) = (shlex.split(text) for name, text in _instructions() if name == "RUN")
    for own in ("--no-cache-dir", "--extra-index-url", "$TORCH_INDEX"):  # a container's alone
        install.remove(own)
    assert install == shlex.split(first[1])
    (start,) = (json.loads(text) for name, text in _instructions() if name == "ENTRYPOINT")
    assert [*start[:-1], start[-1].removeprefix("/suite/")] == shlex.split(first[2])
    assert ("WORKDIR", "/suite") in _instructions() and ("COPY", ". .") in _instructions()


def test_the_dockerfile_is_well_formed() -> None:
    """What hadolint would say of these instructions: a tag, no cache, absolute folders, programs without a shell."""
    found = _instructions()
    assert found[0][0] == "FROM"
    version = re.fullmatch(r"python:([\d.]+)-slim", found[0][1])
    assert version is not None and PROJECT["requires-python"] == f">={version[1]}"
    known = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "ENTRYPOINT"}
    assert {name for name, _ in found} <= known
    assert all(text.startswith("/") for name, text in found if name == "WORKDIR")
    declared = {text.partition("=")[0] for name, text in found if name == "ARG"}
    assert set(re.findall(r"\$(\w+)", " ".join(text for name, text in found if name == "RUN"))) == declared
    ignored = (HOME / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", "output"} <= set(ignored)
    assert not {"constraints.txt", "pyproject.toml", "bench", "results"} & set(ignored)


def test_the_commands_in_the_dockerfile_and_in_the_docs_are_the_same() -> None:
    """One for a CPU, one for CUDA, and those that run them; torch's index of each is one that torch has."""
    text = (HOME / "Dockerfile").read_text(encoding="utf-8")
    told = re.findall(r"^#.*?(docker (?:build|run) .*)$", text, re.MULTILINE)
    page = HOME / "docs" / "first-run.md"
    shown = [line for block in blocks(page) if block.language == "console" for line, _ in commands(block)]
    assert told == [line for line in shown if line.startswith("docker")]
    cpu, cuda, *runs = told
    index = re.compile(r"https://download\.pytorch\.org/whl/(cpu|cu\d+)$")
    default = dict(text.split("=", 1) for name, text in _instructions() if name == "ARG")["TORCH_INDEX"]
    given = re.search(r"TORCH_INDEX=(\S+)", cuda)
    assert "TORCH_INDEX" not in cpu and given is not None
    assert [found[1][:2] for found in map(index.match, (default, given[1])) if found] == ["cp", "cu"]
    context = typer.main.get_command(cli.app).commands["run"]  # type: ignore[attr-defined]
    for run in runs:
        context.make_context("run", shlex.split(re.split(r" noisy-label-bench(?::cuda)? run ", run)[1]))


def test_commands_in_the_templates_exist() -> None:
    for page in (HOME / ".github").rglob("*.md"):
        for command in re.findall(r"run_benchmark\.py (\S+)", page.read_text(encoding="utf-8")):
            assert command.rstrip("`") in cli._COMMANDS, page


def test_each_template_asks_for_what_is_needed_and_the_guide_of_handing_in_names_its_tool() -> None:
    fault, method = ((HOME / ".github" / "ISSUE_TEMPLATE" / f"{name}.md").read_text() for name in ("fault", "method"))
    for text in (fault, method):
        front = text.split("---")[1]
        assert all(re.search(rf"^{key}: \S", front, re.MULTILINE) for key in ("name", "about"))
    assert "run_benchmark.py doctor" in fault
    request = (HOME / ".github" / "pull_request_template.md").read_text(encoding="utf-8")
    assert ".ci/run" in request and (HOME / ".ci" / "run").is_file()
    guide = (HOME / "docs" / "hand-in.md").read_text(encoding="utf-8")
    assert "run_benchmark.py export" in guide and (HOME / "tools" / "verify_records.py").is_file()
