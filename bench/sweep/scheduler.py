"""Running many specifications: one worker process a slot on this machine. The store alone says what is done."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from bench.machine import accelerator
from bench.planning.spec import Cell
from bench.sweep import leftovers, mps, stall
from bench.sweep.run_queue import Finished, Queue, failure
from bench.sweep.slots import Place, spread
from bench.sweep.worker import Driver, Outcome, import_all, prepare_worker, work
from results.layout import Layout

_WAIT_SECONDS = 0.5
_IDLE_SECONDS = 0.1
_OBSERVE_SECONDS = 1.0


class _Stalled(Exception):
    """The run that a worker executes no longer advances."""


class _Worker:
    """The worker process of a slot, started when there is something to do. Losing it costs one run only."""

    def __init__(self, device: str, feeder: _Feeder) -> None:
        self._device, self._service, self._stopping = device, feeder.service, feeder.queue.stopping
        self._folder = feeder.folder
        self._executor: ProcessPoolExecutor | None = None
        self._watch: stall.Watch | None = None

    def call(self, function: Callable[..., Any], *arguments: Any, watch: stall.Watch | None = None) -> Any:
        """What the function returns in the worker; None when stopping.

        Raises TerminatedWorkerError if the process is killed, and _Stalled where `watch` sees that a run hangs.
        """
        if self._executor is None:
            self._start()
        self._watch = watch
        try:
            return self._result(function, *arguments)
        finally:
            self._watch = None

    def start_ahead(self) -> None:
        """Have the process ready for what may be allowed soon: importing takes seconds."""
        if self._executor is None:
            try:
                self.call(import_all)
            except TerminatedWorkerError:
                self.stop()

    def _start(self) -> None:
        variables = self._service.variables
        self._executor = ProcessPoolExecutor(
            max_workers=1,
            timeout=None,
            env=variables or None,
            initializer=prepare_worker,
            initargs=(self._folder,),
        )
        if variables:
            # A daemon may be up and yet let nobody in. Touching the device costs no time: the first run has to.
            try:
                self._result(accelerator.touch, self._device)
            except Exception as fault:
                reason = str(fault).partition("\n")[0] or type(fault).__name__
                if "out of memory" not in reason:  # which the run will find too
                    self._service.give_up(reason)
                    self.stop()
                    self._start()

    def _result(self, function: Callable[..., Any], *arguments: Any) -> Any:
        assert self._executor is not None
        future = self._executor.submit(function, *arguments)
        while not self._stopping.is_set():
            try:
                return future.result(timeout=_WAIT_SECONDS)
            except TimeoutError:
                if self._watch is not None and self._watch.is_stalled():
                    raise _Stalled from None
        return None

    def stop(self, kill: bool = True) -> None:
        """End the process; the next call starts another."""
        if self._executor is not None:
            self._executor.shutdown(wait=not kill, kill_workers=kill)
            self._executor = None


class _Feeder:
    """Feeds the slots of this machine, each in a thread of its own."""

    def __init__(self, queue: Queue, service: mps.Service, folder: Path | None, tell: Callable[[str], None]) -> None:
        self.queue, self.service, self.folder, self.tell = queue, service, folder, tell
        self._alone: set[str] = set()  # runs that are to have the device for themselves

    def feed(self, place: Place, number: int) -> None:
        """Run cells one after the other in a worker process of this slot's own, until all are settled."""
        worker = _Worker(place.name, self)
        try:
            while not (self.queue.stopping.is_set() or self.queue.is_over()):
                if not self._execute_next(place, number, worker):
                    if place.is_next(number) and not self.queue.is_empty():
                        worker.start_ahead()
                    elif place.is_spare(number) or self.queue.is_empty():
                        worker.stop(kill=False)  # its memory is for the others
                    self.queue.stopping.wait(_IDLE_SECONDS)
        except BaseException:
            self.queue.stopping.set()  # nobody would take what this slot had
            raise
        finally:
            worker.stop(kill=self.queue.stopping.is_set())

    def _execute_next(self, place: Place, number: int, worker: _Worker) -> bool:
        """Execute a cell, if the slot may and there is one; whether so."""
        if not place.claim(number):
            return False
        taken = self.queue.take_ready()
        if taken is None:
            place.leave(number)
            return False
        (cell, dead_token), outcome, environment = taken, None, place.environment
        watch = stall.Watch(Layout(environment.store).lease(cell.address), environment.stall_seconds)
        try:
            if self._has_room(place, number, cell):
                place.begin(number, cell)
                outcome = worker.call(work, cell.spec, environment, Driver.this(), dead_token, watch=watch)
        except TerminatedWorkerError:
            worker.stop()
            outcome = Outcome("killed")
        except _Stalled:
            where = stall.ask(self.folder, watch.path)
            worker.stop()
            outcome = Outcome("stalled", watch.message, where and f"{where}\n{watch.message}\n")
        finally:
            most = place.leave(number)
            if outcome is None:
                self.queue.put_back(cell)
        if outcome is not None:
            self._settle(place, cell, outcome, most, worker)
        return outcome is not None

    def _has_room(self, place: Place, number: int, cell: Cell) -> bool:
        """Wait until the cell may begin; False where another one that is to be alone waits already."""
        if cell.address not in self._alone:
            return True
        if not place.isolate(number):
            return False
        while not (place.is_isolated(number) or self.queue.stopping.is_set()):
            time.sleep(_IDLE_SECONDS)
        return not self.queue.stopping.is_set()

    def _settle(self, place: Place, cell: Cell, outcome: Outcome, most: int, worker: _Worker) -> None:
        """Note how a run went that had up to `most` - 1 others beside it."""
        beside = most - 1
        if outcome.status == "killed":
            self.queue.lost_worker(cell)
        elif outcome.status == "stalled":
            self.queue.settle(cell, failure(self.queue.store, cell, outcome.message, outcome.traceback))
            stall.clear(Layout(self.queue.store).lease(cell.address))
        elif outcome.status == "out_of_memory" and beside:
            place.out_of_memory(most)
            allowed = place.packing.allowed
            self.tell(
                f"{place.name}: out of memory: {cell.label} is put back (it had up to {beside} beside it); "
                f"from now on {allowed} at a time"
            )
            self.queue.put_back(cell)
        elif outcome.status == "device_fault" and beside and self.service.active:
            worker.stop()
            self._alone.add(cell.address)
            self.tell(f"{place.name}: {outcome.message}: {cell.label} is put back, and tried with nothing beside it")
            self.queue.put_back(cell)
        else:
            if outcome.status == "device_fault":
                worker.stop()
            self.queue.settle(cell, self._final(cell, outcome))
            for line in place.ended() if outcome.status == "done" else []:
                self.tell(line)

    def _final(self, cell: Cell, outcome: Outcome) -> Outcome:
        """The outcome as it is kept and told."""
        if outcome.status not in ("out_of_memory", "device_fault"):
            return outcome
        lonely = " (with nothing beside it)" if outcome.status == "out_of_memory" else ""
        return failure(self.queue.store, cell, outcome.message + lonely, outcome.traceback)


def _service(
    places: Sequence[Place], use_mps: bool, tell: Callable[[str], None]
) -> contextlib.AbstractContextManager[mps.Service]:
    if not accelerator.is_cuda(places[0].name):
        return contextlib.nullcontext(mps.Service(tell))
    return mps.serving(use_mps and any(place.packing.most > 1 for place in places), tell)


def run_local(
    cells: Sequence[Cell],
    places: Sequence[Place],
    finished: Finished,
    tell: Callable[[str], None] = lambda line: None,
    use_mps: bool = False,
) -> None:
    """Run all cells on the devices of `places`.

    finished: see `Queue`; tell: is given lines on how many runs go on a device. On KeyboardInterrupt the workers are
    stopped within seconds; their checkpoints stay.
    """
    store = places[0].environment.store
    queue, slots = Queue(store, cells, finished), spread(places, len(cells))
    with (
        _service(places, use_mps, tell) as service,
        leftovers.folder() as folder,
        warnings.catch_warnings(),
        ThreadPoolExecutor(len(slots)) as threads,
    ):
        # where loky replaces a worker, and the next run was given to it already, the new one takes that over, so
        # nothing is lost and nobody need be told
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
        feeder = _Feeder(queue, service, folder, tell)
        try:
            feeds, looked = [threads.submit(feeder.feed, *slot) for slot in slots], time.monotonic()
            while not all(feed.done() for feed in feeds):
                time.sleep(_WAIT_SECONDS / 5)
                if time.monotonic() - looked > _OBSERVE_SECONDS:
                    looked = time.monotonic()
                    for line in (line for place in places for line in place.observe(store)):
                        tell(line)
            for feed in feeds:
                feed.result()
        except BaseException:
            queue.stopping.set()
            raise
