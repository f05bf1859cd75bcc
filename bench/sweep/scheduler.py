"""Running many specifications: one worker process a slot on this machine. The store alone says what is done."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from joblib.externals.loky.process_executor import TerminatedWorkerError

from bench.machine import accelerator
from bench.planning.spec import Cell
from bench.sweep import leftovers, mps, stall
from bench.sweep.run_queue import Finished, Queue, Rules, failure
from bench.sweep.slot_worker import SlotWorker, Stalled
from bench.sweep.slots import Place, spread
from bench.sweep.worker import Outcome, work
from common import stop
from results.layout import Layout

_WAIT_SECONDS = 0.5
_IDLE_SECONDS = 0.1
_OBSERVE_SECONDS = 1.0


class _Feeder:
    """Feeds the slots of this machine, each in a thread of its own."""

    def __init__(self, queue: Queue, service: mps.Service, folder: Path | None, tell: Callable[[str], None]) -> None:
        self.queue, self.service, self.folder, self.tell = queue, service, folder, tell
        self._alone: set[str] = set()  # runs that are to have the device for themselves

    def feed(self, place: Place, number: int) -> None:
        """Run cells one after the other in a worker process of this slot's own, until all are settled."""
        worker = SlotWorker(place.name, self.service, self.queue.stopping, self.folder)
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

    def _execute_next(self, place: Place, number: int, worker: SlotWorker) -> bool:
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
                outcome = worker.call(work, cell.spec, environment, dead_token, watch=watch)
        except TerminatedWorkerError:
            outcome = Outcome("killed")
        except Stalled:
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

    def _settle(self, place: Place, cell: Cell, outcome: Outcome, most: int, worker: SlotWorker) -> None:
        """Note how a run went that had up to `most` - 1 others beside it."""
        beside = most - 1
        if outcome.status in ("killed", "stopped"):  # somebody ended the worker, and not us
            worker.stop()
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
    rules: Rules | None = None,
) -> None:
    """Run all cells on the devices of `places`.

    finished, rules: see `Queue`; tell: is given lines on how many runs go on a device. On KeyboardInterrupt the workers
    are stopped within seconds; their checkpoints stay.
    """
    store = places[0].environment.store
    queue, slots = Queue(store, cells, finished, rules), spread(places, len(cells))
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
                stop.check()
                if time.monotonic() - looked > _OBSERVE_SECONDS:
                    looked = time.monotonic()
                    for line in (line for place in places for line in place.observe(store)):
                        tell(line)
            for feed in feeds:
                feed.result()
        except BaseException:
            queue.stopping.set()
            raise
