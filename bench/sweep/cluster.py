"""Sending runs as futures to an existing Dask cluster; leases and store are the same as on one machine."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.planning.spec import Cell
from bench.sweep import stall
from bench.sweep.run_queue import Finished, Queue, failure
from bench.sweep.worker import work
from bench.training.environment import Environment
from common.errors import UserError
from datasets.data_contract import Choice
from results.layout import Layout
from results.record import PROTOCOL

_CONNECT_SECONDS = 10
_WAIT_SECONDS = 0.5


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the scheduler at `address`. Raises UserError where there is none, or `distributed` is missing."""
    try:
        from distributed import Client
    except ImportError:
        raise UserError('--cluster needs the extra: pip install -c constraints.txt -e ".[cluster]"') from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as fault:
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise UserError(
            f"--cluster {address}: no scheduler answers ({reason}); start one with `dask scheduler`"
        ) from None
    try:
        yield client
    finally:
        # A close that waits for a scheduler that is gone must not hide how the runs went.
        with contextlib.suppress(Exception):
            client.close(timeout=_CONNECT_SECONDS)


def prove_shared(
    store: Path, token: str, wanted: list[tuple[str, Choice]], data: Path | None, files: tuple[Path, ...] = ()
) -> str:
    """Run by each worker before the first run: the reason why it can't take part, or the empty string.

    Store, data and plug-in files must be the same for the driver and all workers; the token file proves the first.
    """
    from bench import plugins
    from datasets import registry

    try:
        if (store / f".{token}").read_text() != token:
            return f"the token in {store} is not the driver's"
    except OSError as fault:
        return f"--out {store} is not shared: {fault.strerror}"
    try:
        plugins.register(files)
    except Exception as fault:
        return f"--plugin: {fault}"
    try:
        for name, choice in wanted:
            registry.load(name, data, choice)
    except Exception as fault:
        return f"--data {data}: {fault}"
    from results.record import PROTOCOL as here

    return "" if here == PROTOCOL else f"it runs protocol {here}, the driver {PROTOCOL}"


def check_workers(client: Any, environment: Environment, wanted: list[tuple[str, Choice]]) -> int:
    """Number of usable workers; `wanted` are the data sets they must find.

    Raises UserError naming a worker that can't take part, or where there is none.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise UserError("--cluster: the scheduler has no worker; start some with `dask worker ADDRESS --nthreads 1`")
    for name, info in workers.items():
        if info["nthreads"] != 1:
            raise UserError(
                f"--cluster: worker {name} has {info['nthreads']} threads; a run needs a process of its own "
                "(start it with --nthreads 1)"
            )
    token = f"shared-{secrets.token_hex(8)}"
    environment.store.mkdir(parents=True, exist_ok=True)
    proof = environment.store / f".{token}"
    proof.write_text(token)
    try:
        shared = (environment.store, token, wanted, environment.data, environment.plugins)
        answers = client.run(prove_shared, *shared, on_error="return")
    finally:
        proof.unlink()
    for name, answer in answers.items():
        if answer:
            raise UserError(f"--cluster: worker {name}: {answer}")
    return len(workers)


def run_cluster(client: Any, cells: Sequence[Cell], environment: Environment, finished: Finished) -> None:
    """Run all cells on the cluster. A run whose worker is lost goes elsewhere; one given up is an ordinary failure."""
    from distributed import wait

    queue = Queue(environment.store, cells, finished)
    flying: dict[Any, tuple[Cell, stall.Watch]] = {}
    try:
        while True:
            while (taken := queue.take_ready()) is not None:
                cell, dead_token = taken
                # A key of its own: the same run may be submitted again after it was busy.
                key = f"run-{cell.address}-{secrets.token_hex(4)}"
                watch = stall.Watch(Layout(environment.store).lease(cell.address), environment.stall_seconds)
                future = client.submit(work, cell.spec, environment, None, dead_token, key=key, pure=False)
                flying[future] = cell, watch
            if not flying:
                if queue.is_empty():
                    return
                time.sleep(_WAIT_SECONDS)
                continue
            with client.as_current(), contextlib.suppress(TimeoutError):
                wait(list(flying), timeout=_WAIT_SECONDS, return_when="FIRST_COMPLETED")
            for future in [future for future in flying if future.done()]:
                cell, _ = flying.pop(future)
                queue.settle(cell, _outcome(environment.store, cell, future))
            for future in [future for future, (_, watch) in flying.items() if watch.is_stalled()]:
                cell, watch = flying.pop(future)
                _end(client, future)
                queue.settle(cell, failure(environment.store, cell, watch.message))
    except BaseException:
        client.cancel(list(flying))
        raise


def _end(client: Any, future: Any) -> None:
    """Forget a run that hangs, and have its worker started anew where it has a nanny that does this."""
    with contextlib.suppress(Exception):  # the run is given up, whatever becomes of its worker
        workers = [name for name, keys in client.processing().items() if future.key in keys]
        client.cancel([future])
        client.restart_workers(workers, timeout=_CONNECT_SECONDS)


def _outcome(store: Path, cell: Cell, future: Any) -> Any:
    if future.status == "finished":
        outcome = future.result()
        if outcome.status in ("out_of_memory", "device_fault"):  # here it is not known what else is on the device
            return failure(store, cell, outcome.message, outcome.traceback)
        return outcome
    fault = future.exception() if future.status == "error" else "it was cancelled"
    lines = str(fault).splitlines() or [""]
    return failure(store, cell, f"the cluster gave it up: {type(fault).__name__}: {lines[0]}")
