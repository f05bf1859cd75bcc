"""What happens in a worker process: take the lease of one run, execute it, say how it went."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from traceback import format_exception

from bench import plugins
from bench.machine import accelerator
from bench.machine.processes import Driver, end_with
from bench.sweep import changed, halt, lease, leftovers, stall
from bench.training.environment import Environment
from common.specification import Specification
from results import health
from results.record import address
from results.store import Store, StoreError

KEPT_BYTES = 4 * 2**30
"""A worker that its runs have left larger by this is replaced: a leak of a method's, as data and libraries are less."""

_idle = threading.Event()  # no run is executed
_idle.set()


@dataclass(frozen=True)
class Outcome:
    """How a run went.

    "done"; "failed", with the last line of its traceback; "busy": somebody else executes it; "stopped", as its process
    was asked to; "out_of_memory" of its device, or "device_fault", after which its process can use the device no more:
    of these two nothing is kept yet; "left", to others or for later. elsewhere: another command executed it.
    """

    status: str
    message: str = ""
    traceback: str = ""
    elsewhere: bool = False


def prepare_worker(driver: Driver, folder: Path | None) -> None:
    """Let a worker process live on from run to run: what it has imported and loaded is not read again.

    It ends with its driver, with its run stopped in order if it does so soon.

    loky replaces a worker that has grown by 300 MB since its first run, if psutil is installed. A run on another data
    set, or the first on an accelerator, does that without any leak. folder: of the command, for what its processes
    share.
    """
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = KEPT_BYTES
    end_with(driver, _leave)
    leftovers.use_folder(folder)
    halt.listen()
    stall.answer(folder)


def wait_until_idle() -> None:
    """Wait until this process has stopped its run, but not for long."""
    _idle.wait(halt.STOP_SECONDS)


def import_all() -> None:
    """Import what a run needs, before there is one."""
    import bench.training.execute  # noqa: F401


def _leave() -> None:
    halt.ask()
    wait_until_idle()
    leftovers.remove()  # the driver's folder


def work(spec: Specification, environment: Environment, dead_token: str = "") -> Outcome:
    """Execute one run unless it is done or somebody else is at it. Never raises for a fault of the run itself.

    dead_token: a lease that the driver has watched long enough to know that its holder is gone.
    """
    taken_up = time.perf_counter()
    store, where = Store(environment.store), address(spec)
    held = None
    halt.forget(where)
    _idle.clear()
    try:
        if _is_done(store, where, spec, environment):
            return Outcome("done", elsewhere=True)
        held = lease.acquire(store.layout.lease(where), _judge(dead_token), environment.device)
        if held is None:
            return Outcome("busy")
        if _is_done(store, where, spec, environment):
            return Outcome("done", elsewhere=True)
        if (traceback := store.failure(where)) is not None:  # meanwhile, at another command's hands
            return Outcome("failed", health.failure_line(traceback), elsewhere=True)
        return _execute(spec, environment, held, taken_up)
    except Exception as fault:
        return _faulted(store, where, fault)
    finally:
        if held is not None:
            held.release()
        _idle.set()
        _clear_up()


def _is_done(store: Store, where: str, spec: Specification, environment: Environment) -> bool:
    if not (store.has(where) and environment.redo):
        return store.has(where)
    plugins.register(environment.plugins, tell=lambda line: None)
    return not changed.is_outdated(store, where, spec.method.name)


def _judge(dead_token: str) -> Callable[[lease.Holder], bool]:
    observer = lease.Observer()
    return lambda holder: holder.token == dead_token or observer.is_dead(holder)


def _execute(spec: Specification, environment: Environment, held: lease.Lease, taken_up: float) -> Outcome:
    from bench.training.execute import execute  # imports torch, which a driver never needs
    from bench.training.pulse import Beat, Stopped

    def tell(beat: Beat) -> None:
        values = asdict(beat)
        held.tell(**values.pop("load"), **values)

    held.watch(lambda: 1)  # importing took its time, but it is begun
    where = address(spec)
    try:
        execute(spec, environment, tell, taken_up, held.watch, lambda: halt.is_asked(where))
    except Stopped:
        return Outcome("stopped")
    return Outcome("done")


def _clear_up() -> None:
    """Give back what the run held of the device, for those beside it and after it; the process may rest for long."""
    if "torch" in sys.modules:
        gc.collect()
        with contextlib.suppress(RuntimeError):  # after a fault of the device the process is replaced
            accelerator.release_memory()


def _faulted(store: Store, where: str, fault: Exception) -> Outcome:
    if halt.is_asked(where):  # the signal may have ended processes that read images for it
        return Outcome("stopped")
    text = "".join(format_exception(fault))
    line = health.failure_line(text)
    if "torch" in sys.modules:
        status = "out_of_memory" if accelerator.is_out_of_memory(fault) else "device_fault"
        if status == "out_of_memory" or accelerator.is_fault(fault):
            return Outcome(status, line, text)
    try:
        store.fail(where, text)
    except StoreError as also:
        line = f"{line}; and the traceback could not be kept: {also}"
    return Outcome("failed", line)
