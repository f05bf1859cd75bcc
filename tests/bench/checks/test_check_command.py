"""`check`: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import registries
from command_line import Command
from planted_faults import FAULTS, source

from bench.checks.check import CHECKS
from methods import registry as methods


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


def test_every_check_is_printed_with_what_was_seen(command: Command) -> None:
    ended = command("check", "cross_entropy")
    assert ended.status == 0, ended
    lines = ended.out.splitlines()
    assert lines[0] == "cross_entropy"
    assert [line.split()[0] for line in lines[1:-1]] == list(CHECKS)
    assert {line.split()[1] for line in lines[1:-1]} == {"ok", "skipped"}
    assert all(len(line.split()) > 3 for line in lines[1:-1])
    assert lines[-1] == f"{len(CHECKS)} checks, none failed"


def test_a_fault_in_a_file_is_named_and_ends_with_status_1(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source(FAULTS["non-scalar loss"], "my_fault", "+"))
    ended = command("check", "mine.py", "--only", "reach,loss")
    assert ended.status == 1, ended
    assert ended.out.splitlines()[0] == "my_fault"
    assert "  loss" in ended.out and "failed" in ended.out and "must be a scalar" in ended.out
    assert ended.out.splitlines()[-1] == "2 checks, 1 failed"


def test_a_file_of_the_checkout_stands_for_its_methods(command: Command) -> None:
    path = methods.info("bootstrap_soft").path
    ended = command("check", str(path), "--only", "reach")
    assert ended.status == 0, ended
    assert ended.out.splitlines()[::2][:2] == ["bootstrap_hard", "bootstrap_soft"]


def test_what_cannot_be_checked_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "did you mean 'elr'" in refused("check", "elrr")
    assert "did you mean 'truth'" in refused("check", "elr", "--only", "loss,trut")
    assert "no such file" in refused("check", "absent.py")
    (tmp_path / "broken.py").write_text("def")
    assert "broken.py" in refused("check", "broken.py")
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "empty.py" in refused("check", "empty.py")
    (tmp_path / "fails.py").write_text(source(FAULTS["non-scalar loss"], "fails", "+") + "\nraise RuntimeError('no')\n")
    assert "fails on import" in refused("check", "fails.py")
