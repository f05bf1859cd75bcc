"""The command `run` on the doctor's own suites, in processes of its own; and what the checks remember of them.

A command that does not end in its time is stopped with all that it has started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.doctor.doctor import Budget, Fault, Skipped
from bench.machine.accelerator import is_cuda
from bench.machine.processes import process_start
from bench.sweep import lease
from common.record import Record
from results.layout import Layout
from results.store import Store

ENTRY = Path(__file__).resolve().parents[2] / "run_benchmark.py"
CLOSING_SECONDS = 4.0  # to stop what has not ended


@dataclass
class Runs:
    """The runs of one visit. folder: theirs alone; first: the record that others are compared to."""

    device: str
    folder: Path
    budget: Budget
    first: Record | None = None
    seconds: float = 0.0  # of the command that gave it
    rates: dict[str, float] = field(default_factory=dict)  # images/s of all runs together, by how they were run

    @property
    def on_device(self) -> bool:
        return is_cuda(self.device)


def write(runs: Runs, name: str, text: str) -> None:
    (runs.folder / f"{name}.toml").write_text(text, encoding="utf-8")


def record_of(runs: Runs, store: str, limit: float, *options: str) -> Record:
    with started(runs, "tiny", store, *options) as process:
        return ended(runs, process, store, limit)


@contextlib.contextmanager
def started(runs: Runs, suite: str, store: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`run` of a suite of the doctor's; nothing of it is left when the context ends."""
    given = [str(runs.folder / f"{suite}.toml"), "--out", str(runs.folder / store), "--device", runs.device]
    with (
        (runs.folder / f"{store}.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, str(ENTRY), "run", *given, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all that it starts can be stopped at once
        ) as process,
    ):
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)  # a command that is asked to stop leaves no server behind
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(CLOSING_SECONDS / 2)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def ended(runs: Runs, process: subprocess.Popen[bytes], store: str, limit: float) -> Record:
    [record] = all_ended(runs, process, store, limit)
    return record


def all_ended(runs: Runs, process: subprocess.Popen[bytes], store: str, limit: float) -> list[Record]:
    """The records of a command, once it has ended. Raises Fault with its last words, and Skipped after `limit`."""
    try:
        status = process.wait(min(limit, max(runs.budget.left() - CLOSING_SECONDS, 0.1)))
    except subprocess.TimeoutExpired:
        raise Skipped(f"had not ended in the {limit:.0f} s that --budget {runs.budget.seconds:g} left it") from None
    known = Store(runs.folder / store)
    if status == 0:
        return [known.load(address) for address in known.addresses()]
    text = (runs.folder / f"{store}.log").read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()] or ["it said nothing"]
    why = next((line for line in lines if line.startswith(("failed:", "error:"))), lines[-1])
    raise Fault(
        f"`run` ended with exit status {status}: {why.partition(' (traceback:')[0]}; "
        f"`run quick --device {runs.device}` keeps the traceback"
    )


def kill_worker(store: Path) -> int:
    """Kill the process that holds the lease of the store's only run; how many were killed."""
    for path in Layout(store).leases.glob("*.json"):
        holder = lease.read(path)
        if holder is not None and process_start(holder.pid) == (holder.started or None):
            os.kill(holder.pid, signal.SIGKILL)
            return 1
    return 0
