"""Figures of some suites drawn by further processes, while this one draws those of the others."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from reports.gather import Section

Draw: TypeAlias = "Callable[[Sequence[Section]], list[Any]]"
"""Makes the figures of sections, an item for each; must be a module's function, or a `functools.partial` of one."""
WORTH_IT = 100
"""Runs of a report from which on a further process gains more than its start takes (seconds)."""


@dataclass(frozen=True)
class Share:
    """Sections, by number, that a process draws; pipe: where its answer comes."""

    numbers: list[int]
    pipe: Connection

    def drawn(self, sections: Sequence[Section]) -> list[Any] | None:
        """What was made of each section; None if the process failed or is gone, so that they are to be drawn here."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if answer is None:
            return None
        made, warnings = answer
        known = sections[0].material.warnings
        known.extend(each for each in warnings if each not in known)
        return list(made)


def shared_out(sections: Sequence[Section], processes: int) -> list[list[int]]:
    """Numbers of the sections for each process, in order, so that all have about as many runs to draw."""
    runs = [len(section.frame) for section in sections]
    if sum(runs) < WORTH_IT:
        processes = 1
    shares: list[list[int]] = [[] for _ in range(max(1, min(processes, len(sections))))]
    for number in sorted(range(len(sections)), key=lambda number: -runs[number]):
        min(shares, key=lambda share: sum(runs[each] for each in share)).append(number)
    return [sorted(share) for share in shares]


@contextmanager
def begun(shares: Iterable[Sequence[int]], sections: Sequence[Section], draw: Draw) -> Iterator[list[Share]]:
    """A process for each share, begun; all have ended when the context is left, however it is left."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks
    with ExitStack() as stack:
        started = []
        for numbers in shares:
            here, there = context.Pipe(duplex=False)
            own = [replace(sections[number]) for number in numbers]  # without what was made of them meanwhile
            process = context.Process(target=_answer, args=(there, draw, own), daemon=True)
            process.start()
            there.close()
            stack.callback(here.close)
            stack.callback(process.join)
            stack.callback(process.terminate)
            started.append(Share(list(numbers), here))
        yield started


def _answer(pipe: Connection, draw: Draw, sections: Sequence[Section]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    warnings = sections[0].material.warnings
    before = len(warnings)
    try:
        answer = draw(sections), warnings[before:]
    except Exception:  # drawn again by the parent, where it is raised with all that belongs to it
        answer = None
    with suppress(OSError):  # the parent is gone
        pipe.send(answer)
