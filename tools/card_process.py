"""What `check_card.py` does its steps with: processes that are heard as they speak and ended in time; judgements."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent
CLOSING = 5.0  # seconds to stop what hangs


@dataclass(frozen=True)
class Judged:
    """What was asked, what was found. status: "met", "missed", or "not available" (with the reason in `found`)."""

    asked: str
    status: str
    found: str


class Card:
    """Where the steps run, and the processes that they start."""

    def __init__(self, device: str, out: Path, work: Path, data: Path | None) -> None:
        self.device, self.out, self.work, self.data = device, out, work, data
        self.on_card = device.startswith("cuda")

    def start(self, name: str, *command: object) -> tuple[subprocess.Popen[str], threading.Thread]:
        """Start a command; its lines are printed and kept in the step's log as they come."""
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=HOME,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=_echo, args=(process, name, self.out / f"{name}.log"), daemon=True)
        reader.start()
        return process, reader

    def run(self, name: str, seconds: float, *commands: Sequence[object]) -> list[int | None]:
        """Run commands beside each other; their exit statuses, None for one that was stopped after `seconds`."""
        end = time.monotonic() + seconds
        names = [name if len(commands) == 1 else f"{name}-{number}" for number in range(len(commands))]
        started = [self.start(called, *command) for called, command in zip(names, commands, strict=True)]
        statuses: list[int | None] = []
        for process, reader in started:
            try:
                statuses.append(process.wait(max(end - time.monotonic(), 0.1)))
            except subprocess.TimeoutExpired:
                statuses.append(None)
            _stop(process)
            reader.join(CLOSING)
        return statuses

    def log(self, name: str) -> str:
        """What a step has said so far."""
        path = self.out / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def records(self, store: str) -> list[dict[str, Any]]:
        """The records of a step, in the order in which they were begun; they are copied to --out."""
        found = sorted((self.work / store / "records").glob("*.json"))
        for path in found:
            (self.out / "records" / store).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, self.out / "records" / store)
        read = [json.loads(path.read_text(encoding="utf-8")) for path in found]
        return sorted(read, key=lambda record: record["execution"]["started"])

    def command(self, *arguments: object) -> list[object]:
        """`run_benchmark.py` with arguments, on the device."""
        return [HOME / "run_benchmark.py", *arguments, "--device", self.device]


def _echo(process: subprocess.Popen[str], name: str, path: Path) -> None:
    assert process.stdout is not None
    with path.open("a", encoding="utf-8") as log:
        for line in process.stdout:
            print(f"  {name}: {line}", end="", flush=True)
            log.write(line)
            log.flush()


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask a process to stop, then kill it and all that it has started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(CLOSING)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ended(asked: str, status: int | None, seconds: float) -> Judged:
    """Judge a command by its exit status."""
    if status is None:
        return Judged(asked, "missed", f"had not ended after {seconds:.0f} s")
    return Judged(asked, "met" if status == 0 else "missed", f"exit status {status}")


def at_least(asked: str, found: float | None, wanted: float, of_card: bool = True) -> Judged:
    """Judge a number; None where it is not known."""
    if found is None or not of_card:
        return Judged(
            asked, "not available", "it was not measured" if found is None else f"{found:,.2f}, not on a card"
        )
    return Judged(asked, "met" if found >= wanted else "missed", f"{found:,.2f} (asked: at least {wanted:,.2f})")


def at_most(asked: str, found: float | None, wanted: float, of_card: bool = True) -> Judged:
    """Judge a number that is to be small; None where it is not known."""
    judged = at_least(asked, None if found is None else -found, -wanted, of_card)
    if found is None:
        return judged
    said = f"{found:,.3f} (asked: at most {wanted:,.3f})" if of_card else f"{found:,.3f}, not on a card"
    return Judged(asked, judged.status, said)
