"""Processes of this machine: which is which, and workers that end with the one that started them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LOOK_SECONDS = 1.0

_watched: set[int] = set()


def process_start(pid: int) -> str | None:
    """Start time of a process of this machine as the kernel counts it; None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]  # a zombie holds nothing any more


@dataclass(frozen=True)
class Driver:
    """The process that started workers on its own machine; a worker does not outlive it."""

    pid: int
    started: str  # empty where the system does not tell (no /proc): then nobody can watch it

    @classmethod
    def this(cls) -> Driver:
        return cls(os.getpid(), process_start(os.getpid()) or "")


def end_with(driver: Driver, before: Callable[[], None] = lambda: None) -> None:
    """Have this process exit when the driver is gone, after `before` was called.

    To be called as soon as the process lives: a worker that rests waits on a pipe that it holds open itself, so that
    the death of a driver that never gave it anything to do would go unnoticed for good.
    """
    if not driver.started or driver.pid in _watched:
        return
    _watched.add(driver.pid)

    def watch() -> None:
        while process_start(driver.pid) == driver.started:
            time.sleep(_LOOK_SECONDS)
        before()
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()
