"""What the parts of `doctor` share: findings, the time that checks are given, and the order of all checks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


class Fault(Exception):
    """Something is wrong; the text says what to do."""


class Skipped(Exception):
    """The check was not done; the text says why."""


@dataclass(frozen=True)
class Finding:
    """What came of a check. status: "ok", "fault" (`said` names what to do) or "skipped" (`said` names why)."""

    check: str
    status: str
    said: str
    seconds: float


@dataclass(frozen=True)
class Subject:
    """What is looked at: the device of runs, their folder, and that of data sets."""

    device: str
    out: Path
    data: Path


class Budget:
    """The seconds that all checks may take together."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._clock = seconds, clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds until the end; never below 0."""
        return max(self._end - self._clock(), 0.0)

    def share(self, part: float, needed: float) -> float:
        """Seconds for a check: so much of what is left. Raises Skipped where that is less than it needs."""
        given = self.left() * part
        if given < needed:
            raise Skipped(f"needs about {needed:.0f} s; {given:.0f} s of --budget {self.seconds:g} were left for it")
        return given


@dataclass(frozen=True)
class Check:
    """A check: `look` returns what is well, or raises Fault, Skipped or OSError."""

    name: str
    look: Callable[[], str]


def examine(checks: Sequence[Check]) -> Iterator[Finding]:
    """Do one check after the other; a fault ends none of those that follow."""
    for check in checks:
        started = time.monotonic()
        try:
            status, said = "ok", check.look()
        except Fault as fault:
            status, said = "fault", str(fault)
        except Skipped as why:
            status, said = "skipped", str(why)
        except OSError as fault:
            status, said = "fault", f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault)
        yield Finding(check.name, status, " ".join(said.split()), round(time.monotonic() - started, 3))
