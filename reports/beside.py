"""Figures of some suites drawn by further processes, while this one draws those of the others."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, TypeAlias

from reports.gather import Section

Draw: TypeAlias = "Callable[[Sequence[Section]], list[Any]]"
"""Makes the figures of sections, an item for each; must be a module's function, or a `functools.partial` of one."""
WORTH_IT = 100
"""Runs of a report from which on a further process gains more than its start takes (seconds)."""
_FIGURES = 35
"""Runs whose part in a section's figures takes as long as what all sections' take."""
_BESIDES = 0.07
"""The tables, which the first process makes before it draws, less the start of the others: a share of all drawing."""


@dataclass(frozen=True)
class Share:
    """Sections, by number, that a process draws; pipe: where its answer comes."""

    numbers: list[int]
    pipe: Connection

    def drawn(self, sections: Sequence[Section]) -> list[Any] | None:
        """What was made of each section; None if the process failed or is gone, so that they are to be drawn here."""
        try:
            answer = pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None
        if answer is None:
            return None
        made, warnings = answer
        known = sections[0].material.warnings
        known.extend(each for each in warnings if each not in known)
        return list(made)


def shared_out(sections: Sequence[Section], processes: int) -> list[list[int]]:
    """Numbers of the sections for each process, in order, so that all have about as much to do; the first has more."""
    runs = [len(section.frame) for section in sections]
    if sum(runs) < WORTH_IT:
        processes = 1
    work = [_FIGURES + each for each in runs]
    shares: list[list[int]] = [[] for _ in range(max(1, min(processes, len(sections))))]
    loads = [_BESIDES * sum(work), *(0.0 for _ in shares[1:])]
    for number in sorted(range(len(sections)), key=lambda number: -work[number]):
        least = loads.index(min(loads))
        shares[least].append(number)
        loads[least] += work[number]
    return [sorted(share) for share in shares]


@contextmanager
def begun(shares: Iterable[Sequence[int]], sections: Sequence[Section], draw: Draw) -> Iterator[list[Share]]:
    """A process for each share, begun; all have ended when the context is left, however it is left."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks
    with ExitStack() as stack:
        started = []
        for numbers in shares:
            here, there = context.Pipe()
            process = context.Process(target=_answer, args=(there,), daemon=True)
            process.start()
            there.close()
            own = [replace(sections[number]) for number in numbers]  # without what was made of them meanwhile
            # A pipe takes so much only once the process reads it, and that is seconds after its start.
            hand_over = Thread(target=_send, args=(here, pickle.dumps((draw, own))), daemon=True)
            hand_over.start()
            stack.callback(here.close)
            stack.callback(hand_over.join)
            stack.callback(process.join)
            stack.callback(process.terminate)
            started.append(Share(list(numbers), here))
        yield started


def _send(pipe: Connection, what: bytes) -> None:
    with suppress(OSError):  # the other end is gone
        pipe.send_bytes(what)


def _answer(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    try:
        draw, sections = pickle.loads(pipe.recv_bytes())
        warnings = sections[0].material.warnings
        before = len(warnings)
        answer = draw(sections), warnings[before:]
    except Exception:  # drawn again by the parent, where it is raised with all that belongs to it
        answer = None
    _send(pipe, pickle.dumps(answer))
