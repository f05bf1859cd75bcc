"""Fixtures shared by all tests: where real data and reference values lie, if they do."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: one busy neighbour slows two threads tenfold

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import registries
from command_line import Command, Ended

from bench import cli
from bench.machine import accelerator
from bench.sweep import scheduler
from bench.sweep.worker import work
from common import stop


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="fuzz for an hour instead of seconds (tests/fuzz)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `cuda` skip where there is no device. Asking makes no context."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if marked and not accelerator.count():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def cifar_root() -> Path:
    """The directory of the real CIFAR files; the test is skipped where NOISY_BENCH_DATA names none."""
    named = os.environ.get("NOISY_BENCH_DATA")
    if not named:
        pytest.skip("real CIFAR is needed: NOISY_BENCH_DATA is not set")
    root = Path(named).expanduser()
    if not all((root / folder).is_dir() for folder in ("cifar-10-batches-py", "cifar-100-python")):
        pytest.skip(f"real CIFAR is needed: not below {root}")
    return root


@pytest.fixture(scope="session")
def golden_root() -> Path:
    """The directory of the reference values; the test is skipped where there is none (NOISY_BENCH_GOLDEN)."""
    named = os.environ.get("NOISY_BENCH_GOLDEN")
    root = Path(named).expanduser() if named else Path(__file__).parents[2] / "shared" / "golden"
    if not root.is_dir():
        pytest.skip("reference values are needed: NOISY_BENCH_GOLDEN names no directory")
    return root


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command line in this process, in an empty current folder; what its plug-ins add is forgotten after it."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["run_benchmark.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    with registries.as_before(), signals_as_before(monkeypatch):
        yield call


@contextlib.contextmanager
def signals_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """How a command answers signals, and that it ignores them at its end, concerns no later test."""
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    monkeypatch.setattr(stop, "_asked", 0)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def refused(command: Command, tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must be refused: exit status 2, one line, nothing written. Returns the line."""

    def call(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        ended = command(*arguments)
        assert ended.status == 2, ended
        assert ended.out == ""
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1, ended.err
        assert ended.err.endswith("\n")
        assert "Traceback" not in ended.err
        assert sorted(tmp_path.rglob("*")) == before
        return ended.err

    return call


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs are executed one after the other in this process; the list names them."""
    executed: list[str] = []

    def run_here(cells, places, finished, tell, use_mps, rules):  # type: ignore[no-untyped-def]
        for cell in cells:
            executed.append(cell.label)
            finished(cell, work(cell.spec, places[0].environment))

    monkeypatch.setattr(scheduler, "run_local", run_here)
    return executed
