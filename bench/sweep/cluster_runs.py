"""Sending runs as futures to a Dask cluster; leases and store are the same as on one machine."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.planning.spec import Cell
from bench.sweep import halt, lease, stall
from bench.sweep.cluster import workers_of
from bench.sweep.run_queue import TRIES, Finished, Queue, Rules, failure
from bench.sweep.worker import Outcome, work
from bench.training.environment import Environment
from common import stop
from results.layout import Layout
from results.store import Store

ENDED = f"its worker ended {TRIES} times before it got any further (jobs too short, or --checkpoint-seconds too long?)"
_LOSS = "KilledWorker"  # the scheduler gives a run up whose workers are lost again and again
_RESTART_SECONDS = 10
_WAIT_SECONDS = 0.5
_COUNT_SECONDS = 2.0
_SHARED_SECONDS = 30.0  # until a record that a worker wrote is seen here: network folders are cached
_ANSWER_SECONDS = 10.0  # for how a run went: a worker that is lost just then never tells
_GONE_SECONDS = 20.0  # without a connection: the scheduler is not coming back

Flying = dict[Any, tuple[Cell, stall.Watch]]


class SchedulerGone(Exception):
    """The scheduler no longer answers."""


class _Connection:
    """Whether the scheduler answers, and how many workers it has; tells where the number falls to none or rises."""

    def __init__(self, client: Any, tell: Callable[[str], None]) -> None:
        self._client, self._tell = client, tell
        self._looked = self._answered = time.monotonic()
        self._workers: int | None = None

    def look(self) -> bool:
        """Whether the scheduler answers now. Raises SchedulerGone where it has not for long."""
        now = time.monotonic()
        if self._client.status == "running":
            self._answered = now
        elif now - self._answered > _GONE_SECONDS or self._client.status == "closed":
            raise SchedulerGone("the scheduler is gone; what is done is kept: the same command goes on from there")
        if now - self._looked < _COUNT_SECONDS or self._client.status != "running":
            return bool(self._client.status == "running")
        self._looked = now
        with contextlib.suppress(Exception):  # it goes just now, which the next look finds
            count = len(workers_of(self._client))
            if self._workers is not None and count != self._workers and 0 in (count, self._workers):
                self._tell("0 workers: waiting for new ones" if not count else f"{count} workers again")
            self._workers = count
        return True


class Landing:
    """Runs that are done and whose records have not been seen in the driver's folder yet; nobody is kept waiting.

    The workers that were there at first have proved that they share the folder, one that came later has not.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._late: list[tuple[Cell, Outcome, float]] = []

    def __bool__(self) -> bool:
        return bool(self._late)

    def settle(self, cell: Cell, outcome: Outcome) -> None:
        """Settle a run that is done, at once or once its record is there."""
        self._late.append((cell, outcome, time.monotonic() + _SHARED_SECONDS))
        self.look()

    def look(self) -> None:
        """Settle those whose records have come, and as failed those whose have not for long."""
        store, waiting = Store(self._queue.store), self._late
        self._late = []
        for cell, outcome, end in waiting:
            if store.has(cell.address):
                self._queue.settle(cell, outcome)
            elif time.monotonic() > end:
                told = "its worker has another folder at --out: the record is not here"
                self._queue.settle(cell, failure(store.root, cell, told))
            else:
                self._late.append((cell, outcome, end))


def run_cluster(
    client: Any,
    environment: Environment,
    cells: Sequence[Cell],
    finished: Finished,
    rules: Rules | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Run all cells on the cluster. A run whose worker is lost goes elsewhere; one given up is an ordinary failure.

    Raises SchedulerGone. On KeyboardInterrupt the runs on the workers are stopped in order.
    """
    queue, connection = Queue(environment.store, cells, finished, rules), _Connection(client, tell)
    flying: Flying = {}
    landing = Landing(queue)
    from bench.sweep.halt_plugin import HaltPlugin  # needs the extra

    client.register_plugin(HaltPlugin())
    try:
        while True:
            if connection.look():
                _submit(client, queue, environment, flying)
            landing.look()
            if not flying and not landing and queue.is_empty():
                return
            _wait(client, flying)
            stop.check()
            for future in [future for future in flying if future.done()]:
                cell, _ = flying.pop(future)
                _settle(queue, landing, cell, future)
            for future in [future for future, (_, watch) in flying.items() if watch.is_stalled()]:
                cell, watch = flying.pop(future)
                _end(client, future, watch.path)
                queue.settle(cell, failure(environment.store, cell, watch.message))
    except SchedulerGone:
        raise
    except BaseException:
        _stop(client, flying)
        raise


def _submit(client: Any, queue: Queue, environment: Environment, flying: Flying) -> None:
    while (taken := queue.take_ready()) is not None:
        cell, dead_token = taken
        # A key of its own: the same run may be submitted again after it was busy.
        key = f"run-{cell.address}-{secrets.token_hex(4)}"
        watch = stall.Watch(Layout(environment.store).lease(cell.address), environment.stall_seconds)
        future = client.submit(work, cell.spec, environment, dead_token, key=key, pure=False)
        flying[future] = cell, watch


def _wait(client: Any, flying: Flying) -> None:
    from distributed import wait

    if not flying:
        time.sleep(_WAIT_SECONDS)
        return
    # Also what became of them without an answer, as where the scheduler is gone, is seen by their states.
    with client.as_current(), contextlib.suppress(Exception):
        wait(list(flying), timeout=_WAIT_SECONDS, return_when="FIRST_COMPLETED")


def _stop(client: Any, flying: Flying) -> None:
    """Have the runs on the workers stop in order, and wait until they have, or a few seconds."""
    addresses = [cell.address for cell, _ in flying.values()]

    def ask() -> None:
        with contextlib.suppress(Exception):  # whatever becomes of the cluster
            client.cancel([future for future in flying if not future.done()])
            client.run(halt.ask, addresses, on_error="ignore")

    asking = threading.Thread(target=ask, daemon=True)  # a worker that does not answer is not waited for
    asking.start()
    asking.join(halt.STOP_SECONDS)
    end = time.monotonic() + halt.STOP_SECONDS
    while time.monotonic() < end and any(watch.path.exists() for _, watch in flying.values()):
        time.sleep(_WAIT_SECONDS / 5)


def _end(client: Any, future: Any, held: Path) -> None:
    """Forget a run that hangs, and have its worker started anew where it has a nanny that does this.

    held: the run's lease, which is nobody's once the worker is gone.
    """
    with contextlib.suppress(Exception):  # the run is given up, whatever becomes of its worker
        workers = [name for name, keys in client.processing().items() if future.key in keys]
        client.cancel([future])
        ended = client.restart_workers(workers, timeout=_RESTART_SECONDS)
        if workers and all(ended.get(name) == "OK" for name in workers):
            lease.clear(held)


def _settle(queue: Queue, landing: Landing, cell: Cell, future: Any) -> None:
    """Note how a run went; what was cut off goes on, unless it got no further each time."""
    if future.status == "finished":
        try:
            outcome = future.result(timeout=_ANSWER_SECONDS)
        except Exception:  # whatever became of worker or connection: what the run left in the store tells
            queue.put_back(cell)
            return
        if outcome.status == "stopped":  # its worker was told to end
            queue.lost_worker(cell, ENDED)
            return
        if outcome.status in ("out_of_memory", "device_fault"):  # here it is not known what else is on the device
            outcome = failure(queue.store, cell, outcome.message, outcome.traceback)
        (landing if outcome.status == "done" else queue).settle(cell, outcome)
        return
    if future.status != "error":  # the connection was lost; its worker may go on, which the lease tells
        queue.put_back(cell)
        return
    fault = future.exception()
    if type(fault).__name__ == _LOSS and queue.has_progressed(cell):
        queue.put_back(cell)
        return
    lines = str(fault).splitlines() or [""]
    queue.settle(cell, failure(queue.store, cell, f"the cluster gave it up: {type(fault).__name__}: {lines[0]}"))
