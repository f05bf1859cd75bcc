"""Running many specifications: one worker process a slot on this machine. The store alone says what is done."""

from __future__ import annotations

import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from bench import accelerator, lease
from bench.environment import Environment
from bench.spec import Cell
from bench.worker import Driver, Outcome, lease_path, work
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
            return cell, self._dead.get(cell.address, "")

    def is_empty(self) -> bool:
        """Whether no cell is left to start, now or later; those being executed are not counted."""
        with self._lock:
            return not self._cells and not self._waiting

    def take(self) -> tuple[Cell, str] | None:
        """As `take_ready`, but waits for cells that somebody else executes; None when nothing is left."""
        while not self.stopping.is_set():
            taken = self.take_ready()
            if taken is not None or self.is_empty():
                return taken
            time.sleep(_WAIT_SECONDS)
        return None

    def _look_after_waiting(self) -> None:
        store = Store(self.store)
        for cell in list(self._waiting):
            holder = lease.read(lease_path(self.store, cell.address))
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
            if outcome.status == "busy":
                self._waiting.append(cell)
            else:
                self.finished(cell, outcome)

    def lost_worker(self, cell: Cell) -> None:
        """The process that executed the cell is gone: try again, a limited number of times."""
        with self._lock:
            self._tries[cell.address] += 1
            if self._tries[cell.address] < TRIES:
                self._cells.appendleft(cell)
                return
        message = f"its worker process was killed {TRIES} times (out of memory?)"
        self.settle(cell, failure(self.store, cell, message))


def failure(store: Path, cell: Cell, message: str) -> Outcome:
    """Keep a failure that left no traceback of its own."""
    try:
        Store(store).fail(cell.address, message + "\n")
    except StoreError as fault:
        message = f"{message}; and that could not be kept: {fault}"
    return Outcome("failed", message)


def _feed(queue: Queue, environment: Environment) -> None:
    """Run cells one after the other in a worker process of this slot's own, so that losing it costs one run only."""
    executor = ProcessPoolExecutor(max_workers=1, timeout=None)
    driver = Driver.this()
    try:
        while (taken := queue.take()) is not None:
            cell, dead_token = taken
            try:
                future = executor.submit(work, cell.spec, environment, driver, dead_token)
                while not queue.stopping.is_set():
                    try:
                        queue.settle(cell, future.result(timeout=_WAIT_SECONDS))
                        break
                    except TimeoutError:
                        continue
            except TerminatedWorkerError:
                executor.shutdown(wait=False, kill_workers=True)
                executor = ProcessPoolExecutor(max_workers=1, timeout=None)
                queue.lost_worker(cell)
    finally:
        executor.shutdown(wait=not queue.stopping.is_set(), kill_workers=queue.stopping.is_set())


def run_local(cells: Sequence[Cell], environments: Sequence[Environment], finished: Finished) -> None:
    """Run all cells, one slot for each of `environments` (they differ in their device at most).

    finished: see `Queue`. On KeyboardInterrupt the workers are stopped within
    seconds; their checkpoints stay.
    """
    queue = Queue(environments[0].store, cells, finished)
    with warnings.catch_warnings(), ThreadPoolExecutor(len(environments)) as threads:
        # loky replaces a worker that a run has left 300 MB larger; where the next run was given to it already, the new
        # one takes that over, so nothing is lost and nobody need be told
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
        feeds = [threads.submit(_feed, queue, environment) for environment in environments]
        try:
            for feed in feeds:
                while not feed.done():
                    time.sleep(_WAIT_SECONDS / 5)
                feed.result()
        except BaseException:
            queue.stopping.set()
            raise


def slots(environment: Environment, jobs: int, runs_per_device: int) -> list[Environment]:
    """One environment a slot: `jobs` on a CPU; on CUDA `runs_per_device` for every device (or the one named)."""
    if not accelerator.is_cuda(environment.device):
        return [environment] * jobs
    devices = accelerator.each(environment.device)
    return [replace(environment, device=device) for _ in range(runs_per_device) for device in devices]
