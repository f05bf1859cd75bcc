"""The one training loop for every method: stages, phases, streams, schedules, exact resume."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bench.recipe.schedules import Settings, of_part
from bench.training import optim_build
from bench.training.own_steps import check_no_sam
from bench.training.phases import phases_of
from bench.training.step import PhaseWalk, Position, Run, begin, count_step, descend
from methods.base import Batch


def _schedule_span(run: Run, stage: int) -> tuple[int, int]:
    """First and last epoch of the schedule that starts at `stage`: it lasts until the next restart."""
    last = run.bounds[stage][2]
    for following, _, stop in run.bounds[stage + 1 :]:
        if following.restart:
            break
        last = stop
    return run.bounds[stage][1], last


def _stage_settings(run: Run) -> list[tuple[Settings, Settings]]:
    """The settings of optimiser and schedule in each stage. Raises MethodError naming method, stage and key."""
    optimizer, schedule, where = run.spec.optimizer, run.spec.schedule, f"method {run.method.name!r}"
    stages = [stage.optimizer for stage, _, _ in run.bounds]
    return [optim_build.of_stage(optimizer, schedule, own, f"{where}, stage {n}") for n, own in enumerate(stages, 1)]


def _scheduled(run: Run, stage: int, schedule: Settings) -> tuple[Settings, int, int]:
    """The schedule that starts at `stage`, the epochs done before it (as if it had begun then), and its length."""
    begun, last = _schedule_span(run, stage)
    given, length = run.bounds[stage][0], max(last - begun, 1)
    if given.clock is not None:
        done, length = given.clock
        return schedule, begun - done, max(length, 1)
    own = "schedule" in given.optimizer  # is stated as it shall be
    return schedule if own else of_part(schedule, length, run.spec.epochs), begun, length


def _rate_scale(run: Run, progress: float, group: str) -> float:
    """What a group's scheduled rate is multiplied with: by the stage that the run is in, and by the method."""
    return run.bounds[run.position.stage][0].rate_scale * run.method.rate_scale(progress, group)


def _build_optimizers(run: Run, stage: int) -> None:
    settings, schedule = _stage_settings(run)[stage]
    check_no_sam(run.method, settings.get("sam", 0.0))
    groups = run.method.parameter_groups()
    plan = _scheduled(run, stage, schedule)
    run.optimizers = optim_build.build(
        groups, settings, *plan, run.rates_on_device, lambda *now: _rate_scale(run, *now)
    )
    run.position.restart_stage = stage


def _enter_stages(run: Run, epoch: int) -> None:
    """Start every stage that begins before or at `epoch`, also those of no length."""
    while run.position.stage + 1 < len(run.bounds) and run.bounds[run.position.stage + 1][1] < epoch:
        run.position.stage += 1
        stage = run.position.stage
        run.method.stage_start(stage)
        if stage == 0 or run.bounds[stage][0].restart:
            _build_optimizers(run, stage)


def _step(run: Run, batch: Batch) -> None:
    assert run.optimizers is not None
    rate = run.optimizers.set_rates(batch.progress)
    descend(run, batch)
    count_step(run, len(batch.index), batch.progress, rate)


def _train_phase(run: Run, walk: PhaseWalk) -> None:
    done = 0 if run.captured is None else run.captured.train(walk)
    for number, drawn in enumerate(walk.walk.after(done), done):
        _step(run, walk.batch(number, drawn))


def train_epoch(run: Run) -> dict[str, Any]:
    """Train the next epoch; returns the observer's summary with the learning rate. The method must be on its device."""
    epoch = run.position.epoch + 1
    started = time.perf_counter()
    run.task.seed_epoch(epoch)
    run.method.train()
    _enter_stages(run, epoch)
    phases = phases_of(run.method, run.method.epoch_start(epoch))
    generators = run.streams.generator("order", epoch), run.streams.generator("augmentation", epoch)
    for number, phase in enumerate(phases):
        if phase.rows is not None and not len(phase.rows):
            continue
        _train_phase(run, begin(run, phase, (number, len(phases)), generators))
    run.method.epoch_end(epoch)
    run.health.end_epoch()
    summary = run.observer.end_epoch()
    run.health.saturated = summary.pop("saturated")
    summary["learning_rate"] = run.position.rate
    run.position.epoch = epoch
    run.position.seconds += time.perf_counter() - started
    return summary


def state_dict(run: Run) -> dict[str, Any]:
    """The training state after a whole epoch: tensors and plain scalars."""
    assert run.optimizers is not None
    return {
        "progress": dict(vars(run.position)),
        "method": run.method.state_dict(),
        "optimizers": run.optimizers.state_dict(),
        "observer": run.observer.state_dict(),
        "health": run.health.state_dict(),
        "passes": run.task.counter.state_dict(),
    }


def load_state_dict(run: Run, state: Mapping[str, Any]) -> None:
    """Go on where `state_dict` was taken. No generator needs restoring: all are seeded anew at every epoch start."""
    run.method.load_state_dict(state["method"])
    run.position = Position(**state["progress"])
    _build_optimizers(run, run.position.restart_stage)
    assert run.optimizers is not None
    run.optimizers.load_state_dict(state["optimizers"])
    run.observer.load_state_dict(state["observer"])
    run.health.load_state_dict(state["health"])
    run.task.counter.load_state_dict(state["passes"])
