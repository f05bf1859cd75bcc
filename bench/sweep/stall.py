"""Runs that hang: whether one still advances, and where it stands if it does not."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bench.machine.processes import process_start
from bench.sweep import lease

DEFAULT_MINUTES = 30.0
SHORTEST, LONGEST = 0.01, 100_000.0
_LOOK_SECONDS = 1.0
_LONGEST_STEP = 10.0  # between two looks: more means that we were stopped ourselves, and the run with us
_DUMP_SECONDS, _DEATH_SECONDS = 2.0, 10.0  # that a process is given to answer, and to end


class Watch:
    """Whether the run whose lease lies at `path` has not advanced for so many seconds; 0: nobody asks.

    It advances where its lease tells of another number of steps and passes. Nothing counts before it is begun, which a
    lease that an earlier holder has left does not say. The time is the observer's, without that in which he was
    stopped himself.
    """

    def __init__(self, path: Path, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.seconds = path, seconds
        self._clock, self._looked = clock, clock()
        left = lease.read(path) if seconds else None
        self._left = "" if left is None else left.token
        self._seen: tuple[str, int] | None = None
        self._still = 0.0

    def is_stalled(self) -> bool:
        """Look, at most once a second."""
        now = self._clock()
        passed = now - self._looked
        if not self.seconds or passed < min(_LOOK_SECONDS, self.seconds):
            return False
        holder, self._looked = lease.read(self.path), now
        begun = holder is not None and holder.token != self._left and holder.advanced > 0
        seen = (holder.token, holder.advanced) if holder is not None and begun else None
        self._still = self._still + min(passed, _LONGEST_STEP) if begun and seen == self._seen else 0.0
        self._seen = seen
        return self._still >= self.seconds

    @property
    def message(self) -> str:
        return f"no step and no evaluation for {self.seconds / 60:g} minutes: ended (--stall-minutes)"


def answer(folder: Path | None) -> None:
    """Let this process write where all its threads stand when `asked`; the file must stay open for that."""
    if folder is not None and hasattr(faulthandler, "register"):
        with contextlib.suppress(OSError):
            faulthandler.register(signal.SIGUSR1, _dump(folder, os.getpid()).open("w"), all_threads=True)


def ask(folder: Path | None, path: Path) -> str:
    """Where the run whose lease lies at `path` stands, as text; empty where it does not answer."""
    holder = lease.read(path)
    if folder is None or holder is None or process_start(holder.pid) != holder.started:
        return ""
    dump = _dump(folder, holder.pid)
    if not dump.is_file():
        return ""  # it has not said that it would answer, and the signal would kill it
    with contextlib.suppress(OSError):
        os.kill(holder.pid, signal.SIGUSR1)
        end, text = time.monotonic() + _DUMP_SECONDS, ""
        while time.monotonic() < end and (not text or dump.read_text(encoding="utf-8", errors="replace") != text):
            text = dump.read_text(encoding="utf-8", errors="replace")
            time.sleep(0.1)
        return text
    return ""


def clear(path: Path) -> None:
    """Remove the lease of a run whose process was killed just now."""
    end = time.monotonic() + _DEATH_SECONDS
    while (holder := lease.read(path)) is not None and time.monotonic() < end:
        if process_start(holder.pid) != holder.started:
            lease.clear(path)
            return
        time.sleep(0.05)


def _dump(folder: Path, pid: int) -> Path:
    return folder / f"{pid}.stack"
