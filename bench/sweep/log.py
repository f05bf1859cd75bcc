"""What a command that lasts says where no terminal is attached: lines every so often, each written out at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

DEFAULT_SECONDS = 60.0
SHORTEST, LONGEST = 0.1, 86_400.0  # seconds between two lines


def duration(seconds: float) -> str:
    """Whole seconds as hours, minutes and seconds, such as "0:01:40"."""
    return str(timedelta(seconds=round(max(seconds, 0.0))))


def moment(seconds: float, now: datetime | None = None) -> str:
    """The time of day that many seconds from now (default: this moment), such as "14:32"; of another day with date."""
    begin = datetime.now() if now is None else now
    try:
        end = begin + timedelta(seconds=max(seconds, 0.0))
    except OverflowError:
        return "no day that has a date"
    return f"{end:%H:%M}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M}"


def is_interval(seconds: float) -> bool:
    """Whether so many seconds can be asked for: 0 (no lines), or from `SHORTEST` to `LONGEST`."""
    return seconds == 0 or SHORTEST <= seconds <= LONGEST


class Doing:
    """What a command is at, and for how long: the line of a command that does one thing after the other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._what = ("", clock())

    def now(self, what: str) -> None:
        """Something else is begun."""
        self._what = (what, self._clock())

    def lines(self) -> list[str]:
        """One line, or none where nothing was begun."""
        what, since = self._what
        return [f"{what}, {duration(self._clock() - since)} so far"] if what else []


@contextmanager
def shown(console: Console, seconds: float, lines: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Print what `lines` gives every so many seconds (0: never) from a thread of its own, until the block ends."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(seconds):
            for line in lines():
                console.print(Text(line), highlight=False, soft_wrap=True)  # rich writes a print out at once

    if not seconds:
        yield
        return
    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
