"""Learning-rate schedules that a suite may name, and the rate at each moment of a run. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from common.registry import Registry

if TYPE_CHECKING:
    from bench.recipe.settings import ScheduleSettings

Settings = Mapping[str, Any]


class Clock(NamedTuple):
    """A moment of a schedule, in epochs: how many have passed, how long it lasts, how much of that is warm-up."""

    now: float
    epochs: int
    warmup: float


@dataclass(frozen=True)
class ScheduleKind:
    """A schedule.

    settings: the model of its settings, or "module:name" of it.
    rate: `rate(settings, base, clock)` is the learning rate after the warm-up, which is the harness's. settings: all of
        the model, by name. base: the rate of the parameter group.
    first_beta: the same of Adam's first beta, where the schedule changes it. Its clock has whole epochs alone.
    spans: the settings beside `warmup` that are numbers of epochs, or lists of them.
    """

    name: str
    title: str
    settings: type[ScheduleSettings] | str
    rate: Callable[[Settings, float, Clock], float]
    first_beta: Callable[[Settings, float, Clock], float] | None = None
    spans: tuple[str, ...] = ()


def in_epochs(value: float, epochs: float) -> float:
    """A number of epochs; a float below 1 is that share of `epochs`."""
    # rounded, since .55 * 100 is a little more than 55: a step at epoch 55 would wait for epoch 56
    return round(value * epochs, 9) if isinstance(value, float) and value < 1 else float(value)


def _constant(settings: Settings, base: float, clock: Clock) -> float:
    return base


def _multi_step(settings: Settings, base: float, clock: Clock) -> float:
    passed = sum(clock.now >= in_epochs(milestone, clock.epochs) for milestone in settings["milestones"])
    return float(base * settings["factor"] ** passed)


def _half_cosine(lowest: float, base: float, share: float) -> float:
    return float(lowest + (base - lowest) * (1 + math.cos(math.pi * min(share, 1.0))) / 2)


def _cosine(settings: Settings, base: float, clock: Clock) -> float:
    share = (clock.now - clock.warmup) / max(clock.epochs - clock.warmup, 1e-12)
    return _half_cosine(settings["minimum"], base, share)


def _cosine_restarts(settings: Settings, base: float, clock: Clock) -> float:
    period = in_epochs(settings["period"], clock.epochs)
    return _half_cosine(settings["minimum"], base, (clock.now - clock.warmup) % period / period)


def _linear(settings: Settings, base: float, clock: Clock) -> float:
    start = in_epochs(settings["start"], clock.epochs)
    return base if clock.now < start else base * max(0.0, (clock.epochs - clock.now) / (clock.epochs - start))


def _linear_beta(settings: Settings, base: float, clock: Clock) -> float:
    """`beta1_after` once the decay has begun, as co-teaching's authors do."""
    after = settings["beta1_after"]
    return base if after is None or clock.now < in_epochs(settings["start"], clock.epochs) else float(after)


_MODELS = "bench.recipe.settings"
SCHEDULES = Registry(
    "schedule",
    [
        ScheduleKind("constant", "constant", f"{_MODELS}:Constant", _constant),
        ScheduleKind("multi_step", "by steps", f"{_MODELS}:MultiStep", _multi_step, spans=("milestones",)),
        ScheduleKind("cosine", "cosine", f"{_MODELS}:Cosine", _cosine),
        ScheduleKind(
            "cosine_restarts", "cosine with restarts", f"{_MODELS}:CosineRestarts", _cosine_restarts, spans=("period",)
        ),
        ScheduleKind("linear", "linear decay", f"{_MODELS}:Linear", _linear, _linear_beta, ("start",)),
    ],
)


def learning_rate(schedule: Settings, base: float, progress: float, epochs: int) -> float:
    """The rate after `progress` epochs (a float, 0 at the start) of a schedule that lasts `epochs`.

    With `update = "epoch"` the rate of an epoch is that of its start, as with PyTorch's per-epoch schedulers. Raises
    UserError where no schedule has that name.
    """
    kind, by_epoch = SCHEDULES[schedule["name"]], schedule["update"] == "epoch"
    now = math.floor(progress) if by_epoch else progress
    warmup = in_epochs(schedule["warmup"], epochs)
    if now < warmup:
        return float(base * min(1.0, (now + by_epoch) / warmup))
    return kind.rate(schedule, base, Clock(now, epochs, warmup))


def first_beta(schedule: Settings, base: float, progress: float, epochs: int) -> float:
    """Adam's first beta after `progress` epochs: `base`, unless the schedule sets another."""
    change = SCHEDULES[schedule["name"]].first_beta
    if change is None:
        return base
    return change(schedule, base, Clock(math.floor(progress), epochs, in_epochs(schedule["warmup"], epochs)))


def of_part(schedule: Settings, epochs: int, whole: int) -> Settings:
    """The schedule of a run of `whole` epochs for a part of `epochs`: numbers of epochs become the same shares of it.

    So a method that trains twice in a run has each training decay as the whole run would have. Raises UserError where
    no schedule has that name.
    """

    def scaled(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [scaled(one) for one in value]
        if isinstance(value, float) and value < 1:
            return value  # a share already
        # what lies beyond the end stays there, as no share of the part can be written for it
        return value / whole if value < whole else value / whole * epochs

    spans = ("warmup", *SCHEDULES[schedule["name"]].spans)
    changed = {key: scaled(schedule[key]) for key in spans if schedule.get(key) is not None}
    return {**schedule, **changed} if epochs < whole else schedule
