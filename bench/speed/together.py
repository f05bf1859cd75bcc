"""Several processes that train the same case at the same time, as runs beside each other do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, wait
from pathlib import Path

from bench.speed.case import Case
from bench.speed.workers import fresh_processes

WINDOW_SECONDS = 2.0  # at least so long each is timed
_LONGEST_WAIT_SECONDS = 900.0
_LOOK_SECONDS = 0.01


def _meet(folder: Path, name: str, number: int, count: int, meanwhile: Callable[[], object]) -> None:
    """Say that process `number` has come to a place; returns once all have. `meanwhile` is done over and over."""
    (folder / f"{name}-{number}").touch()
    begun = time.monotonic()
    while not all((folder / f"{name}-{other}").exists() for other in range(count)):
        if time.monotonic() - begun > _LONGEST_WAIT_SECONDS:
            raise TimeoutError(f"the other processes did not come to {name!r} in {_LONGEST_WAIT_SECONDS:.0f} s")
        meanwhile()


def train(case: Case, number: int, folder: Path) -> float:
    """Images per second of process `number` of `case.at_once`, while all of them train."""
    import torch

    from bench.machine import accelerator
    from bench.speed.task import started
    from bench.training import trainer

    torch.set_num_threads(1)
    device = accelerator.prepare(case.device)
    with accelerator.own_stream(device):
        run, _ = started(case, device, "auto")
        _meet(folder, "ready", number, case.at_once, lambda: time.sleep(_LOOK_SECONDS))
        before, begun = run.position.samples, time.perf_counter()
        while time.perf_counter() - begun < WINDOW_SECONDS:
            trainer.train_epoch(run)
            accelerator.synchronise(device)
        rate = (run.position.samples - before) / (time.perf_counter() - begun)
        # it goes on, so that the last one is not timed alone
        _meet(folder, "timed", number, case.at_once, lambda: trainer.train_epoch(run))
    return rate


def rate(case: Case, longest: float | None = None) -> float:
    """Images per second of `case.at_once` processes together. Raises what the first of them raises that fails.

    longest: seconds after which they are given up, with a TimeoutError.
    """
    executor = fresh_processes(case.at_once)
    with tempfile.TemporaryDirectory() as folder:
        try:
            futures = [executor.submit(train, case, number, Path(folder)) for number in range(case.at_once)]
            wait(futures, longest, return_when=FIRST_EXCEPTION)
            faults = [fault for future in futures if future.done() and (fault := future.exception()) is not None]
            if faults:
                raise faults[0]
            return sum(float(future.result(0)) for future in futures)
        finally:
            executor.shutdown(kill_workers=True)
