"""The one training loop for every method: stages, phases, streams, schedules, exact resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Generator, Tensor

from bench import optim
from bench.observe import Observer
from bench.sampling import Sampler
from bench.seeds import Streams
from bench.task import RunTask
from datasets.loader import Loader
from methods.base import Batch, Method, Phase, Stage

Drawn = tuple[Tensor, tuple[Tensor, ...]]  # rows of the training set, and their views


@dataclass
class Progress:
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

    spec: Mapping[str, Any]
    method: Method
    task: RunTask
    loader: Loader
    observer: Observer
    streams: Streams
    labels: Tensor
    sampler: Sampler | None = None  # draws the rows of each epoch, where an epoch is not all of them
    progress: Progress = field(default_factory=Progress)
    optimizers: optim.Optimizers | None = None
    beat: Callable[[float], None] = lambda progress: None  # called with the run's clock after every step

    @property
    def epoch_images(self) -> int:
        """Images of an epoch, each counted once however many phases walk over it."""
        if self.sampler is None:
            return len(self.labels)
        return self.sampler.count(int(self.spec["batch_size"]))

    def __post_init__(self) -> None:
        self.bounds = stage_bounds(self.method.stages(), int(self.spec["epochs"]))


def stage_bounds(stages: Any, epochs: int) -> list[tuple[Stage, int, int]]:
    """Each stage with the epochs done before it and after it. Raises ValueError where they do not fill the run."""
    found, done = [], 0
    for stage in stages:
        length = epochs - done if stage.epochs is None else stage.epochs
        if length < 0 or done + length > epochs:
            raise ValueError(f"the method's stages need more than the {epochs} epochs of this run")
        found.append((stage, done, done + length))
        done += length
    if done != epochs:
        raise ValueError(f"the method's stages cover {done} of the run's {epochs} epochs")
    return found


def _schedule_span(run: Run, stage: int) -> tuple[int, int]:
    """First and last epoch of the schedule that starts at `stage`: it lasts until the next restart."""
    last = run.bounds[stage][2]
    for following, _, stop in run.bounds[stage + 1 :]:
        if following.restart:
            break
        last = stop
    return run.bounds[stage][1], last


def _build_optimizers(run: Run, stage: int) -> None:
    overrides = dict(run.bounds[stage][0].optimizer)
    schedule = {**run.spec["schedule"], **overrides.pop("schedule", {})}
    settings = {**run.spec["optimizer"], **overrides}
    first, last = _schedule_span(run, stage)
    groups = run.method.parameter_groups()
    run.optimizers = optim.build(groups, settings, schedule, first, max(last - first, 1))
    run.progress.restart_stage = stage


def _enter_stages(run: Run, epoch: int) -> None:
    """Start every stage that begins before or at `epoch`, also those of no length."""
    while run.progress.stage + 1 < len(run.bounds) and run.bounds[run.progress.stage + 1][1] < epoch:
        run.progress.stage += 1
        stage = run.progress.stage
        run.method.stage_start(stage)
        if stage == 0 or run.bounds[stage][0].restart:
            _build_optimizers(run, stage)


def _repeated(run: Run, rows: Tensor, size: int, order: Generator, augment: Generator) -> Iterator[Drawn]:
    """Batches over `rows`, reshuffled and repeated without end; nothing where there are no rows."""
    while len(rows):
        yield from run.loader.walk(rows, size, run.method.views, order, augment)


def _batch(run: Run, drawn: Drawn, phase: Phase, progress: float, streams: Mapping[str, Batch]) -> Batch:
    index, views = drawn
    return Batch(
        views=views,
        labels=run.labels[index],
        index=index,
        epoch=run.progress.epoch + 1,
        step=run.progress.step,
        progress=progress,
        observe=run.observer.for_rows(index),
        phase=phase.name,
        streams=streams,
    )


def _batches(run: Run, phase: Phase, part: tuple[int, int], generators: tuple[Generator, Generator]) -> Iterator[Batch]:
    """The batches of a phase, the `part[0]`-th of `part[1]` phases of the epoch."""
    size = phase.batch_size or int(run.spec["batch_size"])
    rows = phase.rows if run.sampler is None else run.sampler.rows(phase.rows, size, generators[0])
    walk = run.loader.walk(rows, size, run.method.views, *generators)
    streams = {name: _repeated(run, rows, size, *generators) for name, (rows, size) in phase.streams.items()}
    for number, drawn in enumerate(walk):
        progress = run.progress.epoch + (part[0] + number / len(walk)) / part[1]
        further = {name: next(stream, None) for name, stream in streams.items()}
        made = {name: _batch(run, found, phase, progress, {}) for name, found in further.items() if found is not None}
        yield _batch(run, drawn, phase, progress, made)


def _step(run: Run, batch: Batch) -> None:
    assert run.optimizers is not None
    run.optimizers.zero_grad()
    run.progress.rate = run.optimizers.set_rates(batch.progress)
    loss = run.method.loss(batch)
    if loss.ndim != 0:
        raise ValueError(f"{type(run.method).__name__}.loss returned shape {tuple(loss.shape)}; it must be a scalar")
    if loss.requires_grad:  # a method may skip a step, as where it selects no sample
        loss.backward()  # type: ignore[no-untyped-call]
        run.method.after_backward()
        run.optimizers.step()
        run.method.after_step()
    run.observer.add_loss(loss, len(batch.index))
    run.progress.step += 1
    run.progress.samples += len(batch.index)


def train_epoch(run: Run) -> dict[str, Any]:
    """Train the next epoch; returns the observer's summary with the learning rate. The method must be on its device."""
    epoch = run.progress.epoch + 1
    started = time.perf_counter()
    run.task.seed_epoch(epoch)
    run.method.train()
    _enter_stages(run, epoch)
    phases = list(run.method.epoch_start(epoch))
    generators = run.streams.generator("order", epoch), run.streams.generator("augmentation", epoch)
    for number, phase in enumerate(phases):
        if phase.rows is not None and not len(phase.rows):
            continue
        for batch in _batches(run, phase, (number, len(phases)), generators):
            _step(run, batch)
            run.beat(batch.progress)
    summary = run.observer.end_epoch()
    summary["learning_rate"] = run.progress.rate
    run.progress.epoch = epoch
    run.progress.seconds += time.perf_counter() - started
    return summary


def state_dict(run: Run) -> dict[str, Any]:
    """The training state after a whole epoch: tensors and plain scalars."""
    assert run.optimizers is not None
    return {
        "progress": dict(vars(run.progress)),
        "method": run.method.state_dict(),
        "optimizers": run.optimizers.state_dict(),
        "observer": run.observer.state_dict(),
        "passes": run.task.counter.state_dict(),
    }


def load_state_dict(run: Run, state: Mapping[str, Any]) -> None:
    """Go on where `state_dict` was taken. No generator needs restoring: all are seeded anew at every epoch start."""
    run.method.load_state_dict(state["method"])
    run.progress = Progress(**state["progress"])
    _build_optimizers(run, run.progress.restart_stage)
    assert run.optimizers is not None
    run.optimizers.load_state_dict(state["optimizers"])
    run.observer.load_state_dict(state["observer"])
    run.task.counter.load_state_dict(state["passes"])
