"""Stopping a command in order: by Ctrl-C; by SIGTERM, which job systems, containers, systemd and `kill` send first; or
by SIGUSR1, which says that the job should be stopped and queued again.

The first signal is raised in the main thread, once; further ones change nothing, since what follows takes seconds only.
What is raised may be swallowed, as where it falls into a finaliser. So loops that last ask too.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

_asked = 0


class Stopped(KeyboardInterrupt):
    """The command is to stop."""


def listen() -> None:
    """From now on signals stop this process, but not what it forks, which just ends. Call it in the main thread.

    What a shell starts in the background ignores SIGINT, and goes on to do so.
    """
    this = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        global _asked
        if os.getpid() != this:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not _asked:
            _asked = number
            raise Stopped

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def asked() -> str:
    """The name of the signal that came, such as "SIGTERM"; empty where none did."""
    return signal.Signals(_asked).name if _asked else ""


def check() -> None:
    """Raises Stopped where a signal came, for what was raised then may have been swallowed."""
    if _asked:
        raise Stopped


def status() -> int:
    """The exit status that a shell gives to what this signal ended: 130, 143 or 138; 0 where none came."""
    return 128 + _asked if _asked else 0


def over() -> None:
    """All is done: signals change nothing any more."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
