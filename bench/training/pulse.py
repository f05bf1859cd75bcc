"""What a run tells of itself while it trains: a sign of life about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.machine import accelerator
from bench.training.pace import Pace
from bench.training.step import Run


@dataclass(frozen=True)
class Beat:
    """A sign of life of a run. images_per_second: of training so far in this execution.

    noisy_validation_accuracy: of the last epoch; seconds_left: till its end; None where they are not known. load: what
    it has done and takes of the device, by the names of a lease's fields.
    """

    epoch: int
    epochs: int
    images_per_second: float
    noisy_validation_accuracy: float | None = None
    seconds_left: float | None = None
    load: Mapping[str, float] = field(default_factory=dict)


def _memory(device: torch.device) -> dict[str, int]:
    if not accelerator.is_cuda(device):
        return {}
    there = accelerator.memory(device)
    taken = accelerator.peak_reserved_memory(device)
    return {"memory": taken, "memory_used": there.total - there.free, "memory_total": there.total}


class Pulse:
    """The beats of one execution. first_step: when its first step was done, by `time.perf_counter`; 0.0 before."""

    def __init__(self, run: Run, curves: Mapping[str, Any], beat: Callable[[Beat], None]) -> None:
        """curves: the run's, to which every epoch adds."""
        self.first_step = 0.0
        self._run, self._curves, self._beat, self._told = run, curves, beat, 0.0
        self._epoch_began, self._epochs = 0.0, run.spec.epochs
        self._passes, self._seconds = run.task.counter.cost, run.position.seconds
        self._pace = Pace(run.position.epoch, self._epochs, run.position.samples, run.position.seconds)

    @contextmanager
    def training(self) -> Iterator[None]:
        """An epoch is trained during the block; what is outside counts as no time of training."""
        self._epoch_began = time.perf_counter()
        yield
        self._epoch_began = 0.0

    def epoch_done(self) -> None:
        """One more epoch is trained and measured."""
        progress = self._run.position
        self._pace.epoch_done(progress.epoch, progress.samples, progress.seconds)
        self.tell(progress.epoch)

    def tell(self, progress: float) -> None:
        """Beat, unless the last one was less than a second ago. progress: the run's clock, in epochs."""
        now, run = time.perf_counter(), self._run
        self.first_step = self.first_step or now
        if now - self._told <= 1.0:
            return
        self._told = now
        seconds = run.position.seconds - self._seconds + (now - self._epoch_began if self._epoch_began else 0.0)
        load = {"passes": run.task.counter.cost - self._passes, "train_seconds": seconds, **_memory(run.labels.device)}
        rate, left = self._pace.images_per_second(run.position.samples), self._pace.seconds_left(progress)
        accuracy = self._curves.get("noisy_validation_accuracy", [None])[-1]
        self._beat(Beat(int(progress), self._epochs, rate, accuracy, left, load))
