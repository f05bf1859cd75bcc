"""Help with examples that are accepted, completion in shells."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import ENVIRONMENT, HOME, Command

from bench import cli
from bench.commands import completion, endings

cli._register()
TREE: Any = typer.main.get_command(cli.app)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands with their words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def examples(command: Any) -> list[list[str]]:
    """The examples of a command's help, as words."""
    lines = (command.help or "").partition("Examples:")[2].splitlines()
    return [shlex.split(line.strip()[2:].strip("`")) for line in lines if line.strip().startswith("- `")]


COMMANDS = dict(commands(TREE))
STARTED = f"import sys; from bench.cli import main; sys.argv[0] = '/bin/{cli.SCRIPT}'; main()"
"""Starts the command under the name that its installation gives it."""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_shows_examples_that_it_accepts(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    found = examples(command)
    assert found
    for example in found:
        assert tuple(example[: len(words)]) == words
        arguments = example[len(words) :]
        if ">" in arguments:
            arguments = arguments[: arguments.index(">")]
        command.make_context(words[-1], arguments)  # raises where the command line would be refused


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_help_has_the_parts_of_a_manual_page(words: tuple[str, ...]) -> None:
    """Description, examples, arguments, options, exit statuses, what to see also; each in the house's voice."""
    command = COMMANDS[words]
    description, _, shown = (command.help or "").partition("Examples:")
    first = description.strip().split("\n\n")[0]
    assert re.match(r"[A-Z][a-z]*[^s] ", first) and first.endswith(".")  # "Show ...", not "Shows ..."
    assert shown.strip()
    for parameter in command.params:
        if parameter.name != "help":
            text = parameter.help or ""
            assert (text.strip() and text[0] == text[0].upper()) or text.startswith(("auto", "off")), parameter.name
            assert text.rstrip().endswith(".") and "please" not in text.lower(), parameter.name
    ending = endings.ENDINGS[" ".join(words)]
    assert command.epilog == ending.text()
    statuses = {int(number) for number in re.findall(r"\b\d{1,3}\b", ending.text().partition("See also")[0])}
    assert statuses - {1} == {0, 2, 130, 143, 138}
    assert (HOME / ending.page).is_file()
    for name in ending.see:
        found: Any = TREE
        words_left = name.split()
        while words_left and words_left[0] in getattr(found, "commands", {}):
            found, words_left = found.commands[words_left[0]], words_left[1:]
        assert found is not TREE, name
        found.make_context(name, list(words_left), resilient_parsing=not words_left)
    assert " ".join(words) not in ending.see


def test_no_ending_is_of_a_command_that_is_gone() -> None:
    assert set(endings.ENDINGS) == {" ".join(words) for words in COMMANDS}


def test_help_is_shown_for_every_command(command: Command) -> None:
    whole = command("--help")
    assert whole.status == 0
    assert "130" in whole.out
    for words, entry in COMMANDS.items():
        assert words[0] in whole.out
        ended = command(*words, "--help")
        assert ended.status == 0
        assert all(part in ended.out for part in ("Examples:", "Options", "Exit status:", "See also:"))
        assert ("Arguments" in ended.out) == any(each.param_type_name == "argument" for each in entry.params)
        assert max(map(len, ended.out.splitlines())) <= 80
        for parameter in entry.params:
            assert all(option in ended.out for option in parameter.opts if option.startswith("--")), parameter.name


def test_completion_is_installed_as_documented(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--show-completion` prints what `--install-completion` writes into the files of the user's shell."""
    page = (HOME / "docs" / "first-run.md").read_text(encoding="utf-8")
    environment = {
        **ENVIRONMENT,
        "HOME": str(tmp_path),
        "SHELL": "/bin/bash",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    said = {}
    for option in ("--show-completion", "--install-completion"):
        assert f"{cli.SCRIPT} {option}" in page
        ended = subprocess.run(
            [sys.executable, "-c", STARTED, option, "bash"],
            env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        said[option] = ended.stdout
    script = said["--show-completion"]
    assert "_NOISY_LABEL_BENCH_COMPLETE=complete_bash" in script and cli.SCRIPT in script
    assert (tmp_path / ".bash_completions" / f"{cli.SCRIPT}.sh").read_text(encoding="utf-8").strip() == script.strip()
    assert cli.SCRIPT in (tmp_path / ".bashrc").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tun", {"tune"}),
        ("run qui", {"quick"}),
        ("run quick --methods elr,car", {"elr,car"}),
        ("run quick --retry", {"--retry-failed"}),
        ("data ch", {"check"}),
    ],
)
def test_shells_complete_the_installed_command(line: str, expected: set[str], tmp_path: Path) -> None:
    words = f"{cli.SCRIPT} {line}"
    environment = {
        **ENVIRONMENT,
        "_NOISY_LABEL_BENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    ended = subprocess.run(
        [sys.executable, "-c", STARTED],
        env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == expected


def test_names_are_completed() -> None:
    lite, quarter = ["cifar10-lite", "cifar10-lite-methods"], ["cifar10-quarter", "cifar10-quarter-tuned"]
    assert completion.suites("cifar10-") == ["cifar10-core", "cifar10-full", *lite, *quarter]
    assert completion.method_names("co_teaching") == ["co_teaching", "co_teaching_plus"]
    assert completion.method_names("elr,gce,mix") == ["elr,gce,mixup"]


def test_the_name_of_the_program_is_the_one_that_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for called, expected in {
        "run_benchmark.py": "run_benchmark.py",
        os.path.join("x", "run_benchmark.py"): "run_benchmark.py",  # noqa: PTH118
        f"/usr/bin/{cli.SCRIPT}": cli.SCRIPT,
        f"{cli.SCRIPT}.exe": cli.SCRIPT,
    }.items():
        monkeypatch.setattr(sys, "argv", [called])
        assert cli._program() == expected
