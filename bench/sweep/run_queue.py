"""The runs that are still to be executed, and what becomes of each."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.planning.spec import Cell
from bench.sweep import lease
from bench.sweep.worker import Outcome
from results.layout import Layout
from results.store import Store, StoreError

TRIES = 3  # how often a run is started whose worker process is killed
_WAIT_SECONDS = 0.5

Finished = Callable[[Cell, Outcome], None]


class Queue:
    """The cells still to be run, shared by the threads that feed the slots.

    A cell that somebody else executes waits until its record is there or its lease is dead; others are taken first.
    `finished` is called once a cell, by one thread at a time.
    """

    def __init__(self, store: Path, cells: Sequence[Cell], finished: Finished) -> None:
        self.store, self.finished = store, finished
        self.stopping = threading.Event()
        self._cells = deque(cells)
        self._waiting: list[Cell] = []
        self._looked = 0.0
        self._executed = 0  # cells taken and not yet settled or put back
        self._dead: dict[str, str] = {}
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._observer = lease.Observer()

    def take_ready(self) -> tuple[Cell, str] | None:
        """The next cell that may be started now, with the token of its dead lease if it has one; else None."""
        with self._lock:
            if not self._cells:
                self._look_after_waiting()
            if not self._cells:
                return None
            cell = self._cells.popleft()
            self._executed += 1
            return cell, self._dead.get(cell.address, "")

    def is_empty(self) -> bool:
        """Whether no cell is left to start, now or later; those being executed are not counted."""
        with self._lock:
            return not self._cells and not self._waiting

    def is_over(self) -> bool:
        """Whether every cell is settled: none is left, and none is executed that could be put back."""
        with self._lock:
            return not (self._cells or self._waiting or self._executed)

    def _look_after_waiting(self) -> None:
        now = time.monotonic()
        if not self._waiting or now - self._looked < _WAIT_SECONDS:
            return
        store, self._looked = Store(self.store), now
        for cell in list(self._waiting):
            holder = lease.read(Layout(self.store).lease(cell.address))
            if store.has(cell.address):
                self._waiting.remove(cell)
                self.finished(cell, Outcome("done"))
            elif holder is None or self._observer.is_dead(holder):
                self._waiting.remove(cell)
                self._dead[cell.address] = "" if holder is None else holder.token
                self._cells.append(cell)

    def settle(self, cell: Cell, outcome: Outcome) -> None:
        """Take note of how a cell went; a busy one waits."""
        with self._lock:
            self._executed -= 1
            if outcome.status == "busy":
                self._waiting.append(cell)
            else:
                self.finished(cell, outcome)

    def put_back(self, cell: Cell) -> None:
        """The cell was not finished, and is to be tried again before all others."""
        with self._lock:
            self._cells.appendleft(cell)
            self._executed -= 1

    def lost_worker(self, cell: Cell) -> None:
        """The process that executed the cell is gone: try again, a limited number of times."""
        with self._lock:
            self._tries[cell.address] += 1
            tries = self._tries[cell.address]
        if tries < TRIES:
            self.put_back(cell)
        else:
            message = f"its worker process was killed {TRIES} times (out of memory?)"
            self.settle(cell, failure(self.store, cell, message))


def failure(store: Path, cell: Cell, message: str, traceback: str = "") -> Outcome:
    """Keep a failure that its worker could not keep, or was not to."""
    try:
        Store(store).fail(cell.address, traceback or message + "\n")
    except StoreError as fault:
        message = f"{message}; and that could not be kept: {fault}"
    return Outcome("failed", message)
