"""Whether a run that is started now gets anywhere before the job that it is started in ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.planning.spec import Cell
from bench.sweep import price
from common import job

START_SECONDS = 20.0  # processes that import torch, data that are read


def needed(cell: Cell, rates: price.Rates, checkpoint_seconds: float) -> float:
    """Seconds till the run has ended, or has written a checkpoint after an epoch, as far as records tell."""
    whole = price.estimate(cell, rates, {}).seconds
    if whole is None:
        return START_SECONDS + checkpoint_seconds
    return START_SECONDS + min(whole, checkpoint_seconds + whole / cell.spec.epochs)


def in_time(
    rates: price.Rates, checkpoint_seconds: float, clock: Callable[[], float] = time.time
) -> Callable[[Cell], bool]:
    """Tells of a run whether it may begin now; where nobody tells when the job ends, it may."""
    this_job = job.current()
    end = None if this_job is None else this_job.end
    if end is None:
        return lambda cell: True
    return lambda cell: clock() + needed(cell, rates, checkpoint_seconds) <= end
