"""The worker process of a slot on this machine: started, watched, asked to stop, replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from bench.machine import accelerator
from bench.machine.processes import Driver, process_start
from bench.sweep import halt, lease, mps, stall
from bench.sweep.worker import import_all, prepare_worker

_WAIT_SECONDS = 0.5
_IDLE_SECONDS = 0.1


class Stalled(Exception):
    """The run that a worker executes no longer advances."""


class SlotWorker:
    """The worker process of a slot, started when there is something to do. Losing it costs one run only."""

    def __init__(self, device: str, service: mps.Service, stopping: threading.Event, folder: Path | None) -> None:
        """folder: of the command, for what its processes share."""
        self._device, self._service, self._stopping, self._folder = device, service, stopping, folder
        self._executor: ProcessPoolExecutor | None = None
        self._watch: stall.Watch | None = None

    def call(self, function: Callable[..., Any], *arguments: Any, watch: stall.Watch | None = None) -> Any:
        """What the function returns in the worker; None when stopping, the worker then being gone.

        Raises TerminatedWorkerError if the process is killed, and Stalled where `watch` sees that a run hangs.
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
            initargs=(Driver.this(), self._folder),
        )
        halt.hold_signals()  # now, as loky lets them through again where it starts a process of its own
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
                    raise Stalled from None
        self._halt(future)
        return None

    def _halt(self, future: Any) -> None:
        """Have the run stop in order, or else kill the process; its lease is free afterwards."""
        assert self._executor is not None
        processes = {pid: process_start(pid) for pid in list(self._executor._processes or ())}
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(Exception):
            future.result(timeout=halt.STOP_SECONDS)
        self.stop()
        end = time.monotonic() + halt.STOP_SECONDS
        while any(process_start(pid) == start for pid, start in processes.items()) and time.monotonic() < end:
            time.sleep(_IDLE_SECONDS)
        if self._watch is not None:
            lease.clear(self._watch.path)

    def stop(self, kill: bool = True) -> None:
        """End the process; the next call starts another."""
        if self._executor is not None:
            self._executor.shutdown(wait=not kill, kill_workers=kill)
            self._executor = None
