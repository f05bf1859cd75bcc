"""Asking a worker process to stop its run in order: it ends at its next step, and its lease is free.

A worker of this machine is asked by SIGTERM, one of a cluster by a call that names the run.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Collection
from types import FrameType

STOP_SECONDS = 5.0
"""What a run is given to end: its step, or its epoch where that is nearly over, and its checkpoint."""

_HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
_all = threading.Event()
_runs: set[str] = set()


def hold_signals() -> None:
    """Keep signals from this thread and from the processes that it starts, until these `listen`.

    A signal that is meant for all processes of a command would end one that is still being started as it does any
    program: with a traceback, or without a word.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)


def listen() -> None:
    """From now on SIGTERM asks this process to stop its run. Ctrl-C is ignored: it is the driver's to handle.

    SIGUSR1, by which the driver asks where a run hangs, is ignored unless somebody answers it. What the process forks
    just ends by SIGTERM.
    """
    this = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == this:
            _all.set()
            return
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


def ask(runs: Collection[str] | None = None) -> None:
    """Stop what this process executes; runs: only these, by address."""
    if runs is None:
        _all.set()
    else:
        _runs.update(runs)


def forget(run: str) -> None:
    """The run is begun anew: what was asked before is done with."""
    _runs.discard(run)


def is_asked(run: str) -> bool:
    """Whether this run is to stop."""
    return _all.is_set() or run in _runs
