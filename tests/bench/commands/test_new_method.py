"""`new-method`: the file it writes is registered, passes `check`, and runs; names that cannot be used are refused."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import registries
from command_line import ENVIRONMENT, HOME, Command, write_suite

from bench import plugins
from bench.checks.check import CHECKS, run_checks
from bench.checks.subject import Subject
from bench.commands.new_method import KINDS, called_as, render
from results.store import Store

BAD_NAMES = {
    "MyIdea": "small letters",
    "my-idea": "small letters",
    "my idea": "small letters",
    "1dea": "small letters",
    "_idea": "small letters",
    "idea_": "small letters",
    "my__idea": "small letters",
    "idée": "small letters",
    "../idea": "small letters",
    "": "small letters",
    "x" * 41: "at most 40 characters",
    "lambda": "a word of Python's",
    "elr": "is taken by",
}


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("target", [(), ("--to", "folder")])
def test_a_name_that_cannot_be_used_is_refused(name: str, target: tuple[str, ...], refused: Callable[..., str]) -> None:
    assert BAD_NAMES[name] in refused("new-method", name, *target)


def test_an_unknown_kind_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    line = refused("new-method", "my_idea", "--to", ".", "--kind", "semi_supervise")
    assert "did you mean 'semi_supervised'" in line
    assert not (tmp_path / "my_idea.py").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_clean(kind: str, command: Command, tmp_path: Path) -> None:
    assert command("new-method", "my_idea", "--to", ".", "--kind", kind).status == 0
    ruff = [sys.executable, "-m", "ruff"]
    for check in (["check", "--no-cache", "--ignore", "I"], ["format", "--check", "--no-cache"]):
        options = ["--config", str(HOME / "pyproject.toml"), "my_idea.py"]
        ended = subprocess.run([*ruff, *check, *options], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout


def test_nothing_is_overwritten(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "my_idea.py").write_text("precious")
    assert "my_idea.py: there is a file already" in refused("new-method", "my_idea", "--to", ".")
    assert (tmp_path / "my_idea.py").read_text() == "precious"
    # a module of the checkout that is no method
    assert "base.py: there is a file already" in refused("new-method", "base")


def test_a_folder_under_a_file_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "--to file/below" in refused("new-method", "my_idea", "--to", "file/below")


def test_a_file_outside_runs_beside_the_others(command: Command, in_process: list[str], tmp_path: Path) -> None:
    ended = command("new-method", "my_idea", "--to", "my methods")
    assert ended.status == 0, ended.err
    assert "check 'my methods/my_idea.py'\n" in ended.out
    assert "run quick --methods my_idea,elr,car --plugin 'my methods/my_idea.py'\n" in ended.out
    write_suite(tmp_path / "s.toml", epochs=1)
    ended = command("run", "s.toml", "--methods", "my_idea,elr", "--plugin", "my methods/my_idea.py")
    assert ended.status == 0, ended.err
    assert in_process == ["My idea, symmetric 50%, seed 0", "ELR, symmetric 50%, seed 0"]
    records = [Store(tmp_path / "output").load(address) for address in Store(tmp_path / "output").addresses()]
    assert {"penalty": 0.1} in [record["spec"]["method"]["hyper"] for record in records]


QUICK = ("reach", "loss", "predictions", "truth", "state", "large_logits", "bounds")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(CHECKS), marks=pytest.mark.slow)], ids=["some", "all"])
def test_what_is_written_passes_the_checks(kind: str, names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "my_idea.py").write_text(render("my_idea", kind))
    plugins.add_file(tmp_path / "my_idea.py")
    results = list(run_checks(Subject("my_idea"), names))
    assert [(result.check, result.seen) for result in results if result.status == "failed"] == []
    assert len(results) == len(names)


def test_in_a_checkout_it_is_registered_and_clean(tmp_path: Path) -> None:
    for package in ("bench", "common", "datasets", "methods", "results", "reports"):
        shutil.copytree(HOME / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("run_benchmark.py", "pyproject.toml"):
        shutil.copy(HOME / file, tmp_path / file)

    def call(*command: str) -> str:
        environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path)}
        ended = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    said = call("run_benchmark.py", "new-method", "an_idea")
    path = tmp_path / "methods" / "an_idea.py"
    assert said.splitlines() == [
        f"written: {path}",
        "check it:    python run_benchmark.py check an_idea",
        "compare it:  python run_benchmark.py run quick --methods an_idea,elr,car",
        "look at it:  python run_benchmark.py report",
    ]
    assert '"name": "an_idea"' in call("run_benchmark.py", "list", "methods", "--json")
    call("-m", "ruff", "check", "--no-cache", str(path))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("run_benchmark.py", "python run_benchmark.py"),
        ("../my checkout/run_benchmark.py", "python '../my checkout/run_benchmark.py'"),
        ("/usr/bin/noisy-label-bench", "noisy-label-bench"),
    ],
)
def test_what_it_tells_can_be_typed_in_the_same_folder(typed: str, told: str) -> None:
    assert called_as(typed) == told


def test_an_installed_package_is_not_written_into(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "site-packages" / "methods"
    installed.mkdir(parents=True)
    monkeypatch.setattr("bench.commands.new_method.METHODS", installed)
    ended = command("new-method", "my_idea")
    assert ended.status == 0 and (tmp_path / "my_idea.py").is_file() and list(installed.iterdir()) == []
    assert "--plugin my_idea.py" in ended.out


@pytest.mark.slow
def test_a_bilevel_method_runs_by_the_command_that_is_told(command: Command, tmp_path: Path) -> None:
    said = command("new-method", "my_idea", "--to", ".", "--kind", "bilevel").out
    [told] = [line.partition("run_benchmark.py ")[2] for line in said.splitlines() if line.startswith("compare it:")]
    ended = command(*shlex.split(told), "--epochs", 1, "--seeds", "1", "--setting", "symmetric 50%")
    assert ended.status == 0, ended.err
    records = [Store(tmp_path / "output").load(address) for address in Store(tmp_path / "output").addresses()]
    marks = {one["spec"]["method"]["name"]: one["privileges"] for one in records}
    assert marks.keys() == {"my_idea", "elr", "car"} and any("trusted" in mark for mark in marks["my_idea"])
    assert not any("trusted" in mark for mark in marks["elr"])
