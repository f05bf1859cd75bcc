"""A run under way, a phase of it, and one step: what the training loop and a captured graph share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from bench.training import optim, sharpness
from bench.training.health import StepHealth
from bench.training.observe import Observer
from bench.training.own_steps import OwnSteps, takes_own_steps
from bench.training.phases import bounds_of, check_phase
from bench.training.sampling import Sampler
from bench.training.seeds import Streams
from bench.training.task import RunTask
from common.specification import Specification
from datasets.loader import Loader, Walk
from methods.base import Batch, Method, Phase

if TYPE_CHECKING:
    from bench.training.capture import Capture

Draws = Mapping[str, Tensor]
Drawn = tuple[Tensor, tuple[Tensor, ...]]  # rows of the training set, and their views


@dataclass
class Position:
    """Where a run stands: plain scalars that a checkpoint holds."""

    epoch: int = 0  # epochs done
    stage: int = -1  # stage reached; -1: none yet
    restart_stage: int = 0  # stage at which the optimisers were built
    step: int = 0  # batches done
    samples: int = 0  # samples of main batches seen
    seconds: float = 0.0  # spent in training epochs, evaluation not counted
    rate: float = 0.0  # the learning rate of the last step


@dataclass
class Run:
    """Everything that a training run holds. `spec` is read for optimizer, schedule, epochs and batch size."""

    spec: Specification
    method: Method
    task: RunTask
    loader: Loader
    observer: Observer
    streams: Streams
    labels: Tensor
    sampler: Sampler | None = None  # draws the rows of each epoch, where an epoch is not all of them
    position: Position = field(default_factory=Position)
    optimizers: optim.Optimizers | None = None
    rates_on_device: bool = False  # learning rates are tensors beside the parameters, as a captured step needs them
    captured: Capture | None = None  # replays steps as graphs; None: every step is Python's
    beat: Callable[[float], None] = lambda progress: None  # called with the run's clock after every step

    @property
    def epoch_images(self) -> int:
        """Images of an epoch, each counted once however many phases walk over it."""
        if self.sampler is None:
            return len(self.labels)
        return self.sampler.count(self.spec.batch_size)

    def __post_init__(self) -> None:
        self.bounds = bounds_of(self.method, self.spec.epochs)
        self.health = StepHealth(self.labels.device)


def _repeated(run: Run, rows: Tensor, size: int, order: Generator, augment: Generator) -> Iterator[Drawn]:
    """Batches over `rows`, reshuffled and repeated without end; nothing where there are no rows."""
    while len(rows):
        yield from run.loader.walk(rows, size, run.method.views, order, augment)


@dataclass(frozen=True)
class PhaseWalk:
    """A phase under way: its walk over the training set, and its further streams.

    part: its number, and how many phases the epoch has.
    """

    run: Run
    phase: Phase
    part: tuple[int, int]
    size: int
    walk: Walk
    streams: Mapping[str, Iterator[Drawn]]

    def progress(self, number: int) -> float:
        """The run's clock at the walk's batch `number`."""
        return self.run.position.epoch + (self.part[0] + number / len(self.walk)) / self.part[1]

    def batch(self, number: int, drawn: Drawn, draws: Mapping[str, Tensor] | None = None) -> Batch:
        """The walk's batch `number`. draws: the method's draws for it, on the device; None: made now."""
        progress = self.progress(number)
        further = {name: next(stream, None) for name, stream in self.streams.items()}
        assert self.run.optimizers is not None
        now = progress, tuple(self.run.optimizers.rates(progress))
        made = {name: self._made(taken, now, {}, {}) for name, taken in further.items() if taken is not None}
        if draws is None:
            device = drawn[0].device
            given = self.run.method.step_draws(len(drawn[0]))
            draws = {name: value.to(device, non_blocking=True) for name, value in given.items()}
        return self._made(drawn, now, made, draws)

    def _made(
        self, drawn: Drawn, now: tuple[float, tuple[float, ...]], streams: Mapping[str, Batch], draws: Draws
    ) -> Batch:
        """now: the run's clock, and the rates of the groups."""
        run, (index, views), (progress, rates) = self.run, drawn, now
        return Batch(
            views=views,
            labels=run.labels[index],
            index=index,
            epoch=run.position.epoch + 1,
            step=run.position.step,
            progress=progress,
            observe=run.observer.for_rows(index),
            terms=run.health.add_terms,
            phase=self.phase.name,
            number=self.phase.number,
            streams=streams,
            draws=draws,
            rates=rates,
        )


class LongWalk:
    """A walk of so many batches over fewer samples: these are reshuffled and repeated."""

    def __init__(self, repeated: Iterator[Drawn], batches: int) -> None:
        self._repeated, self._batches = repeated, batches

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[Drawn]:
        return self.after(0)

    def after(self, count: int) -> Iterator[Drawn]:
        """The batches but the first `count`; it can be asked for once."""
        return itertools.islice(self._repeated, count, self._batches)


def _walk(
    run: Run, rows: Tensor | None, size: int, batches: int | None, generators: tuple[Generator, Generator]
) -> Walk:
    """A shuffled pass over `rows` (None: all), or as much of it, or as often, as so many batches take."""
    if batches is not None:
        rows = torch.arange(len(run.labels)) if rows is None else rows
        if len(rows) < batches * size:
            return LongWalk(_repeated(run, rows, size, *generators), batches)
        rows = rows[torch.randperm(len(rows), generator=generators[0])[: batches * size].to(rows.device)]
    return run.loader.walk(rows, size, run.method.views, *generators)


def begin(run: Run, phase: Phase, part: tuple[int, int], generators: tuple[Generator, Generator]) -> PhaseWalk:
    """The `part[0]`-th of `part[1]` phases of the epoch, before its first batch."""
    check_phase(run.method, phase, len(run.labels))
    size = phase.batch_size or run.spec.batch_size
    rows = phase.rows
    if run.sampler is not None and not phase.sampled:
        rows = run.sampler.rows(rows, size, generators[0], phase.number)
    walk = _walk(run, rows, size, phase.batches, generators)
    streams = {name: _repeated(run, rows, size, *generators) for name, (rows, size) in phase.streams.items()}
    return PhaseWalk(run, phase, part, size, walk, streams)


def descend(run: Run, batch: Batch) -> None:
    """What a step does on the device: forward, backward, optimiser, statistics. A captured graph replays this."""
    assert run.optimizers is not None
    run.optimizers.zero_grad()
    if takes_own_steps(run.method):
        updates = OwnSteps(run.optimizers)
        loss = _scalar(run, "step", run.method.step(batch, updates))
        gradient = updates.gradient
    else:
        loss, gradient = _usual_step(run, run.optimizers, batch)
    run.health.add_step(loss, gradient)
    run.observer.add_loss(loss, len(batch.index))


def _scalar(run: Run, hook: str, loss: Tensor) -> Tensor:
    """The loss of a step. Raises ValueError where it is no scalar."""
    if loss.ndim != 0:
        raise ValueError(f"{type(run.method).__name__}.{hook} returned shape {tuple(loss.shape)}; it must be a scalar")
    return loss


def _usual_step(run: Run, optimizers: optim.Optimizers, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Descend along the method's loss; returns it, and the length of its gradient (None: the step was skipped)."""
    before = sharpness.Moment(run.method, run.task) if optimizers.sam else None
    loss = _scalar(run, "loss", run.method.loss(batch))
    if not loss.requires_grad:  # a method may skip a step, as where it selects no sample
        return loss, None
    loss.backward()  # type: ignore[no-untyped-call]
    if before is not None:
        sharpness.look_around(run.method, batch, optimizers, before)
    run.method.after_backward(batch)
    gradient = optimizers.gradient_norm()
    optimizers.step()
    run.method.after_step(batch)
    return loss, gradient


def count_step(run: Run, samples: int, progress: float, rate: float) -> None:
    """What a step does on the host, once it has been asked of the device."""
    run.observer.add_samples(samples)
    run.health.count_step()
    run.position.step += 1
    run.position.samples += samples
    run.position.rate = rate
    run.beat(progress)
