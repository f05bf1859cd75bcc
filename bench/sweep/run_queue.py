"""The runs that are still to be executed, and what becomes of each."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.planning.spec import Cell
from bench.sweep import lease
from bench.sweep.worker import Outcome
from results import health
from results.layout import Layout
from results.store import Store, StoreError

TRIES = 3  # how often a run is started whose worker process is killed before it gets any further
NO_TIME = "no time before the job ends"
KILLED = f"its worker process was killed {TRIES} times (out of memory?)"
_WAIT_SECONDS = 0.5

Finished = Callable[[Cell, Outcome], None]


@dataclass(frozen=True)
class Rules:
    """How a command goes about runs that are not its own.

    wait: for runs that others execute; else the command ends once it has nothing left to start. may_start: whether a
    run may begin now, as where a job ends soon. started: is told of each run that this command starts. again: addresses
    of runs that are done and are executed again.
    """

    wait: bool = True
    may_start: Callable[[Cell], bool] = lambda cell: True
    started: Callable[[Cell], None] = lambda cell: None
    again: Collection[str] = ()


class Queue:
    """The cells still to be run, shared by the threads that feed the slots.

    A cell that somebody else executes waits until its record is there, its traceback, or its lease is dead; others are
    taken first, but before them those that were interrupted. `finished` is called once a cell, by one thread at a time.
    """

    def __init__(self, store: Path, cells: Sequence[Cell], finished: Finished, rules: Rules | None = None) -> None:
        self.store, self.finished, self.rules = store, finished, rules or Rules()
        self.stopping = threading.Event()
        self._layout = Layout(store)
        self._cells = deque(cells)
        self._waiting: list[Cell] = []
        self._looked = 0.0
        self._executed: set[str] = set()  # addresses of cells taken and not yet settled or put back
        self._dead: dict[str, str] = {}
        self._tries: Counter[str] = Counter()
        self._reached: dict[str, int] = {}  # the time stamp of a run's checkpoint when it was taken
        self._lock = threading.Lock()
        self._observer = lease.Observer()

    def take_ready(self) -> tuple[Cell, str] | None:
        """The next cell that may be started now, with the token of its dead lease if it has one; else None."""
        with self._lock:
            self._look_after_waiting()
            while (cell := self._next()) is not None:
                self._cells.remove(cell)
                if not self._is_elsewhere(cell):
                    self._executed.add(cell.address)
                    self._reached[cell.address] = self._checkpoint(cell)
                    self.rules.started(cell)
                    return cell, self._dead.get(cell.address, "")
            self._leave()
            return None

    def _next(self) -> Cell | None:
        """The first cell that may start; before all others one that has a checkpoint and that nobody executes."""
        ready = [cell for cell in self._cells if self.rules.may_start(cell)]
        begun = {path.stem for path in self._layout.checkpoints.glob("*.pt")} if ready else set()
        for cell in ready:
            if cell.address in begun and not self._layout.lease(cell.address).exists():
                return cell
        return ready[0] if ready else None

    def _is_elsewhere(self, cell: Cell) -> bool:
        """Whether others have settled the cell, or are at it, in which case it waits."""
        if self._settled_elsewhere(cell):
            return True
        holder = lease.read(self._layout.lease(cell.address))
        if holder is None or holder.token == self._dead.get(cell.address) or self._observer.is_dead(holder):
            return False
        self._waiting.append(cell)
        return True

    def _settled_elsewhere(self, cell: Cell) -> bool:
        store = Store(self.store)
        if store.has(cell.address) and cell.address not in self.rules.again:
            self.finished(cell, Outcome("done", elsewhere=True))
            return True
        traceback = store.failure(cell.address)
        if traceback is not None:  # those of before were cleared, or their runs left out
            self.finished(cell, Outcome("failed", health.failure_line(traceback), elsewhere=True))
        return traceback is not None

    def _leave(self) -> None:
        """Give up, where nothing is left to start here, what others execute, and what cannot begin any more."""
        if self._executed:
            return
        for cell in [cell for cell in self._cells if not self.rules.may_start(cell)]:
            self._cells.remove(cell)
            self.finished(cell, Outcome("left", NO_TIME))
        if not self.rules.wait:
            for cell in self._waiting:
                self.finished(cell, Outcome("left"))
            self._waiting.clear()

    def _checkpoint(self, cell: Cell) -> int:
        """When the cell's checkpoint was written, in nanoseconds; 0 where it has none."""
        try:
            return self._layout.checkpoint(cell.address).stat().st_mtime_ns
        except OSError:
            return 0

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
        self._looked = now
        for cell in list(self._waiting):
            if self._settled_elsewhere(cell):
                self._waiting.remove(cell)
                continue
            holder = lease.read(self._layout.lease(cell.address))
            if holder is None or self._observer.is_dead(holder):
                self._waiting.remove(cell)
                self._dead[cell.address] = "" if holder is None else holder.token
                self._cells.appendleft(cell)  # it was interrupted

    def settle(self, cell: Cell, outcome: Outcome) -> None:
        """Take note of how a cell went; a busy one waits."""
        with self._lock:
            self._executed.discard(cell.address)
            if outcome.status == "busy":
                self._waiting.append(cell)
            else:
                self.finished(cell, outcome)

    def put_back(self, cell: Cell) -> None:
        """The cell was not finished, and is to be tried again before all others."""
        with self._lock:
            self._cells.appendleft(cell)
            self._executed.discard(cell.address)

    def has_progressed(self, cell: Cell) -> bool:
        """Whether the cell's checkpoint got further since it was taken."""
        return self._checkpoint(cell) != self._reached.get(cell.address, 0)

    def lost_worker(self, cell: Cell, told: str = KILLED) -> None:
        """The process that executed the cell is gone: try again.

        A limited number of times, of which only those count in which its checkpoint got no further: else a run that is
        longer than the jobs it is executed in would be given up. told: the failure, after the last try.
        """
        with self._lock:
            if not self.has_progressed(cell):
                self._tries[cell.address] += 1
            tries = self._tries[cell.address]
        if tries < TRIES:
            self.put_back(cell)
        else:
            self.settle(cell, failure(self.store, cell, told))


def failure(store: Path, cell: Cell, message: str, traceback: str = "") -> Outcome:
    """Keep a failure that its worker could not keep, or was not to."""
    try:
        Store(store).fail(cell.address, traceback or message + "\n")
    except StoreError as fault:
        message = f"{message}; and that could not be kept: {fault}"
    return Outcome("failed", message)
