"""What happens in a worker process: take the lease of one run, execute it, say how it went."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import lease
from bench.environment import Environment
from results.record import address
from results.store import Store, StoreError

_watched: set[int] = set()


@dataclass(frozen=True)
class Driver:
    """The process that started the workers, for those on its own machine; a worker does not outlive it."""

    pid: int
    started: str  # empty where the system does not tell (no /proc): then nobody can watch it

    @classmethod
    def this(cls) -> Driver:
        return cls(os.getpid(), lease.process_start(os.getpid()) or "")


@dataclass(frozen=True)
class Outcome:
    """How a run went: "done", "failed" (with the last line of its traceback) or "busy" (somebody else executes it)."""

    status: str
    message: str = ""


def _watch(driver: Driver) -> None:
    """Exit when the driver is gone: a checkpoint is whole at any instant, so nothing is lost."""
    if not driver.started or driver.pid in _watched:
        return
    _watched.add(driver.pid)

    def watch() -> None:
        while lease.process_start(driver.pid) == driver.started:
            time.sleep(1.0)
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def work(spec: Mapping[str, Any], environment: Environment, driver: Driver | None, dead_token: str = "") -> Outcome:
    """Execute one run unless it is done or somebody else is at it. Never raises for a fault of the run itself.

    dead_token: a lease that the driver has watched long enough to know that its holder is gone.
    """
    if driver is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
        _watch(driver)
    store, where = Store(environment.store), address(spec)
    held = None
    try:
        if store.has(where):
            return Outcome("done")
        held = lease.acquire(lease_path(environment.store, where), _judge(dead_token))
        if held is None:
            return Outcome("busy")
        if store.has(where):
            return Outcome("done")
        return _execute(spec, environment, held)
    except Exception as fault:
        return _failed(store, where, fault)
    finally:
        if held is not None:
            held.release()


def lease_path(store: Path, where: str) -> Path:
    """The lease of the run with address `where`."""
    return store / "leases" / f"{where}.json"


def _judge(dead_token: str) -> Callable[[lease.Holder], bool]:
    observer = lease.Observer()
    return lambda holder: holder.token == dead_token or observer.is_dead(holder)


def _execute(spec: Mapping[str, Any], environment: Environment, held: lease.Lease) -> Outcome:
    from bench.execute import execute  # imports torch, which a driver never needs

    execute(spec, environment, lambda beat: held.tell(**asdict(beat)))
    return Outcome("done")


def _failed(store: Store, where: str, fault: Exception) -> Outcome:
    line = f"{type(fault).__name__}: {fault}".splitlines()[0]
    try:
        store.fail(where, "".join(traceback.format_exception(fault)))
    except StoreError as also:
        line = f"{line}; and the traceback could not be kept: {also}"
    return Outcome("failed", line)
