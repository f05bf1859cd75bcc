"""Exit statuses are those that the documentation and `--help` list, each brought about as it is described."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import HOME, Command, write_suite

from bench import cli
from bench.sweep import scheduler
from bench.sweep.worker import Outcome

BY_SIGNAL = {130: signal.SIGINT, 143: signal.SIGTERM, 138: signal.SIGUSR1}


def _documented() -> set[int]:
    """The statuses of the table in docs/first-run.md."""
    text = (HOME / "docs" / "first-run.md").read_text(encoding="utf-8")
    table = text.partition("| exit status |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {int(number) for cell in cells for number in re.findall(r"\d+", cell)}


def test_the_statuses_tested_here_are_all_that_is_documented() -> None:
    told = {int(number) for number in re.findall(r"\b\d{1,3}\b", str(cli.app.info.epilog))}
    assert _documented() == told == {0, 1, 2, *BY_SIGNAL}


def test_0_all_went_well(command: Command) -> None:
    assert command("list", "rules").status == 0


def test_1_a_run_failed(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(cells: Any, places: Any, finished: Callable[..., None], *rest: Any) -> None:
        for cell in cells:
            finished(cell, Outcome("failed", "ValueError: planted"))

    monkeypatch.setattr(scheduler, "run_local", fails)
    write_suite(tmp_path / "s.toml", epochs=1)
    ended = command("run", "s.toml")
    assert ended.status == 1
    assert "failed: Cross-entropy, symmetric 50%, seed 0: ValueError: planted" in ended.out
    quiet = command("run", "s.toml", "-q", "--retry-failed")
    assert (quiet.status, quiet.out) == (1, "")
    assert quiet.err == "failed runs in s: `status` names them\n"


def test_1_a_check_found_a_fault(command: Command, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(b"cut short")
    ended = command("data", "check", "cifar10", "--data", tmp_path)
    assert (ended.status, ended.err) == (1, "")
    assert "data_batch_1" in ended.out


def test_2_input_that_cannot_be_used(refused: Callable[..., str]) -> None:
    assert "did you mean 'quick'?" in refused("run", "quik")
    assert "--seeds" in refused("run", "quick", "--seedz", "1")


@pytest.fixture
def hears_control_c() -> Iterator[None]:
    """What a shell starts in the background ignores SIGINT, and so would these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_control_c")
@pytest.mark.parametrize("expected", BY_SIGNAL)
def test_what_stops_a_command_gives_its_status(
    expected: int, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stopped(*arguments: Any) -> None:
        os.kill(os.getpid(), BY_SIGNAL[expected])
        raise AssertionError("the signal was not heard")

    monkeypatch.setattr(scheduler, "run_local", stopped)
    write_suite(tmp_path / "s.toml", epochs=1)
    ended = command("run", "s.toml")
    assert ended.status == expected, ended
    name = "Ctrl-C" if expected == 130 else BY_SIGNAL[expected].name
    assert ended.err.startswith(f"stopped by {name}")
    assert ended.err.endswith("the same command goes on from there\n")
    assert ("to be queued again" in ended.err) == (expected == 138)
