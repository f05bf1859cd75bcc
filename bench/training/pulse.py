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

FINISH_SECONDS = 2.0
"""A run that is to stop goes on to the end of its epoch, where a checkpoint can be written, if that is no further."""


class Stopped(BaseException):
    """The run was asked to stop and did; its checkpoint stays. No fault, so that no method takes it for one."""


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

    def __init__(
        self,
        run: Run,
        curves: dict[str, Any],
        beat: Callable[[Beat], None],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """curves: the run's, to which every epoch adds. is_stopping: whether the run is asked to stop."""
        self.is_stopping = is_stopping
        self.first_step = 0.0
        self.curves = curves
        self._run, self._beat, self._told = run, beat, 0.0
        self._epoch_began, self._epochs = 0.0, run.spec.epochs
        self._epoch_ended = self._epoch_seconds = self._between = 0.0
        self._passes, self._seconds = run.task.counter.cost, run.position.seconds
        self._pace = Pace(run.position.epoch, self._epochs, run.position.samples, run.position.seconds)

    @contextmanager
    def training(self) -> Iterator[None]:
        """An epoch is trained during the block; what is outside counts as no time of training."""
        self._epoch_began = time.perf_counter()
        if self._epoch_ended:
            self._between = self._epoch_began - self._epoch_ended
        yield
        self._epoch_ended = time.perf_counter()
        self._epoch_seconds, self._epoch_began = self._epoch_ended - self._epoch_began, 0.0

    def epoch_done(self) -> None:
        """One more epoch is trained and measured."""
        progress = self._run.position
        self._pace.epoch_done(progress.epoch, progress.samples, progress.seconds)
        self.tell(progress.epoch)

    def tell(self, progress: float) -> None:
        """Beat, unless the last one was less than a second ago. progress: the run's clock, in epochs.

        Raises Stopped where the run is asked to stop and the end of its epoch is far.
        """
        now, run = time.perf_counter(), self._run
        self.first_step = self.first_step or now
        if self.is_stopping() and self._until_checkpoint(progress, now) > FINISH_SECONDS:
            raise Stopped
        if now - self._told <= 1.0:
            return
        self._told = now
        seconds = run.position.seconds - self._seconds + (now - self._epoch_began if self._epoch_began else 0.0)
        load = {"passes": run.task.counter.cost - self._passes, "train_seconds": seconds, **_memory(run.labels.device)}
        rate, left = self._pace.images_per_second(run.position.samples), self._pace.seconds_left(progress)
        accuracy = self.curves.get("noisy_validation_accuracy", [None])[-1]
        self._beat(Beat(int(progress), self._epochs, rate, accuracy, left, load))

    def _until_checkpoint(self, progress: float, now: float) -> float:
        """Seconds till the epoch is trained and measured, as the last one was; of the first one, by its own pace."""
        done = progress - self._run.position.epoch
        if not self._epoch_began or (not done and not self._epoch_seconds):
            return 0.0
        whole = self._epoch_seconds or (now - self._epoch_began) / done
        return whole * (1 - done) + self._between
