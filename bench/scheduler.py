"""Running many specifications: one worker process a slot on this machine. The store alone says what is done."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from bench import lease
from bench.environment import Environment
from bench.spec import Cell
from bench.worker import Driver, Outcome, lease_path, work
from results.store import Store, StoreError

TRIES = 3  # how often a run is started whose worker process is killed
_WAIT_SECONDS = 0.5

Finished = Callable[[Cell, Outcome], None]


@dataclass
class Queue:
    """The cells still to be run, shared by the threads that feed the slots.

    A cell that somebody else executes waits until its record is there or its lease is dead.
    """

    store: Path
    cells: deque[Cell]
    finished: Finished
    stopping: threading.Event = field(default_factory=threading.Event)
    _waiting: list[Cell] = field(default_factory=list)
    _dead: dict[str, str] = field(default_factory=dict)
    _tries: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _observer: lease.Observer = field(default_factory=lease.Observer)

    def take(self) -> tuple[Cell, str] | None:
        """The next cell, with the token of its dead lease if it has one; None when nothing is left."""
        while not self.stopping.is_set():
            with self._lock:
                if not self.cells:
                    self._look_after_waiting()
                if self.cells:
                    cell = self.cells.popleft()
                    return cell, self._dead.get(cell.address, "")
                if not self._waiting:
                    return None
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
                self.cells.append(cell)

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
                self.cells.appendleft(cell)
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

    finished: called once a cell, from one thread at a time. On KeyboardInterrupt the workers are stopped within
    seconds; their checkpoints stay.
    """
    queue = Queue(environments[0].store, deque(cells), finished)
    with ThreadPoolExecutor(len(environments)) as threads:
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
    if not environment.device.startswith("cuda"):
        return [environment] * jobs
    devices = [environment.device]
    if environment.device == "cuda":
        import torch

        devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [replace(environment, device=device) for _ in range(runs_per_device) for device in devices]
