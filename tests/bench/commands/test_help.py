"""Help with examples that are accepted, completion in shells, documented exit statuses."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import ENVIRONMENT, Command, write_suite

from bench import cli
from bench.commands import completion
from bench.sweep import scheduler

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


def test_help_is_shown_for_every_command(command: Command) -> None:
    whole = command("--help")
    assert whole.status == 0
    assert "130" in whole.out
    for words, entry in COMMANDS.items():
        assert words[0] in whole.out
        ended = command(*words, "--help")
        assert ended.status == 0
        assert "Examples:" in ended.out
        for parameter in entry.params:
            assert all(option in ended.out for option in parameter.opts if option.startswith("--")), parameter.name


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tun", {"tune"}),
        ("run qui", {"quick"}),
        ("run quick --methods elr,ca", {"elr,car"}),
        ("run quick --retry", {"--retry-failed"}),
        ("data c", {"check"}),
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
        [sys.executable, "-c", f"import sys; from bench.cli import main; sys.argv[0] = '/bin/{cli.SCRIPT}'; main()"],
        env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == expected


def test_names_are_completed() -> None:
    assert completion.suites("cifar10-") == ["cifar10-full", "cifar10-lite", "cifar10-lite-methods", "cifar10-quarter"]
    assert completion.method_names("co_teaching") == ["co_teaching", "co_teaching_plus"]
    assert completion.method_names("elr,gce,mix") == ["elr,gce,mixup"]


def test_an_interrupted_run_ends_with_130(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scheduler, "run_local", interrupted)
    write_suite(tmp_path / "s.toml", epochs=1)
    ended = command("run", "s.toml")
    assert ended.status == cli.EXIT_INTERRUPTED == 130
    assert "the same command goes on from there" in ended.out


def test_the_name_of_the_program_is_the_one_that_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for called, expected in {
        "run_benchmark.py": "run_benchmark.py",
        os.path.join("x", "run_benchmark.py"): "run_benchmark.py",  # noqa: PTH118
        f"/usr/bin/{cli.SCRIPT}": cli.SCRIPT,
        f"{cli.SCRIPT}.exe": cli.SCRIPT,
    }.items():
        monkeypatch.setattr(sys, "argv", [called])
        assert cli._program() == expected
