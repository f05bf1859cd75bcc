"""The space that `tune` searches, and its draws.

Every method is searched over the optimiser's learning rate (from a tenth to thrice the suite's) and weight decay (from
a tenth to ten times the suite's; 1e-5 to 1e-2 where that is 0), both on a logarithmic scale. Of its hyper-parameters:

- one that declares `search` is drawn from there (None: not at all), on its `scale` (default: linear);
- bool and str choose a variant of the method and are fixed;
- one whose default is None is derived from what the method is told, and one whose default is 0 is a part switched off:
  both are fixed;
- a delay in epochs is drawn as a share of the run: from 0 to twice a default that is a share, else from 0 to one half;
- another with `bounds` is drawn between them, linearly; but where its scale is log, or a bound is at least ten times
  the default, then from a tenth to ten times the default, on a logarithmic scale;
- one without `bounds` is fixed.

`--space` replaces each of these rules. Draws are the same for every method: trial t takes the same learning rate and
weight decay in all of them, and a larger budget begins with the trials of a smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.planning.suite import parse_value
from common.errors import UserError, unknown
from datasets.randomness import derive_seed, uniforms
from methods.hyper import HyperParameter, MethodError, Value, checked, value_type

OPTIMIZER = ("lr", "weight_decay")
DECADE = 10.0
ZERO_DECAY = (1e-5, 1e-2)  # where the suite has no weight decay
DIGITS = 3


@dataclass(frozen=True)
class Axis:
    """One setting that is searched: a range on a scale, or a list of values. whole: it takes whole numbers."""

    low: float = 0.0
    high: float = 0.0
    scale: str = "linear"
    whole: bool = False
    values: tuple[Value, ...] = ()

    def at(self, point: float) -> Value:
        """The value at a point of [0, 1), rounded to three digits and never out of the range."""
        if self.values:
            return self.values[int(point * len(self.values))]
        if self.whole and self.scale == "linear":
            return int(self.low) + int(point * (int(self.high) - int(self.low) + 1))
        if self.scale == "log":
            exact = math.exp(math.log(self.low) + point * (math.log(self.high) - math.log(self.low)))
        else:
            exact = self.low + point * (self.high - self.low)
        rounded = min(max(float(f"{exact:.{DIGITS}g}"), self.low), self.high)
        return round(rounded) if self.whole else rounded

    def __str__(self) -> str:
        if self.values:
            return ", ".join(map(str, self.values))
        return f"{self.low:g} to {self.high:g}, {self.scale}" + (", whole" if self.whole else "")


Space = dict[str, Axis]


def default_space(hyper: Mapping[str, HyperParameter], optimizer: Mapping[str, Any], epochs: int) -> Space:
    """What is searched of a method with the declared hyper-parameters, in a suite of that optimiser and length."""
    lr, decay = optimizer["lr"], optimizer["weight_decay"]
    decays: tuple[float, float] = (decay / DECADE, decay * DECADE) if decay else ZERO_DECAY
    space = {"lr": Axis(lr / DECADE, 3 * lr, "log"), "weight_decay": Axis(*decays, "log")}
    for name, declared in hyper.items():
        axis = _axis(declared, value_type(declared, name), epochs)
        if axis is not None:
            space[name] = axis
    return space


def _axis(declared: HyperParameter, kind: type, epochs: int) -> Axis | None:
    default, scale, counts_epochs = declared["default"], declared.get("scale"), declared.get("unit") == "epochs"
    whole = kind is int and not counts_epochs
    if "search" in declared:
        return None if declared["search"] is None else Axis(*declared["search"], scale or "linear", whole)
    if kind not in (int, float) or "bounds" not in declared or not isinstance(default, int | float) or not default:
        return None
    low, high = declared["bounds"]
    if counts_epochs:
        shares = 2 * default if isinstance(default, float) else 0.5
        return Axis(min(low / epochs, 1.0), min(max(shares, low / epochs), 1.0))
    if scale == "log" or (scale is None and max(-low, high) >= DECADE * abs(default)):
        if default < 0:
            return None
        least = max(low, default / DECADE)
        return Axis(max(1.0, least) if whole else least, min(high, default * DECADE), "log", whole)
    return Axis(low, high, "linear", whole)


def narrow(space: Space, assignments: Sequence[str], hyper: Mapping[str, HyperParameter]) -> Space:
    """The space with each `--space NAME=LOW:HIGH` or `NAME=VALUE,VALUE,...` in place of its own. Raises UserError."""
    narrowed = dict(space)
    for assignment in assignments:
        name, separator, text = (part.strip() for part in assignment.partition("="))
        where = f"--space {assignment!r}"
        if not separator or not text:
            raise UserError(f"{where}: expected NAME=LOW:HIGH or NAME=VALUE,VALUE, such as lr=0.01:0.3")
        low, colon, high = text.partition(":")
        values = [typed(name, part, hyper, where) for part in ([low, high] if colon else text.split(","))]
        scale = hyper[name].get("scale") if name in hyper else None
        narrowed[name] = _range(values, scale, space.get(name), where) if colon else Axis(values=tuple(values))
    return narrowed


def typed(name: str, text: str, hyper: Mapping[str, HyperParameter], where: str) -> Value:
    """The value that a text gives a setting of the optimiser or of a method that declares `hyper`. Raises UserError."""
    if name not in (*OPTIMIZER, *hyper):
        raise unknown("setting", name, (*OPTIMIZER, *hyper), where)
    declared = hyper.get(name) or HyperParameter(default=0.1, source="", bounds=(0.0, 1000.0))
    try:
        return checked(name, parse_value(text.strip(), where), declared, where)
    except MethodError as fault:
        raise UserError(str(fault)) from None


def _range(values: Sequence[Value], scale: str | None, default: Axis | None, where: str) -> Axis:
    low, high = values
    if type(low) is not type(high) or not isinstance(low, int | float) or isinstance(low, bool):
        raise UserError(f"{where}: a range needs two numbers of one kind")
    assert isinstance(high, int | float)
    if not low < high:
        raise UserError(f"{where}: the first number of a range must be the lower one")
    scale = scale or (default.scale if default else "linear")
    if scale == "log" and low <= 0:
        raise UserError(f"{where}: it is searched on a logarithmic scale, so the range must lie above 0")
    return Axis(low, high, scale, whole=isinstance(low, int))


def draw(space: Space, trial: int) -> dict[str, Value]:
    """The settings of trial number `trial` (from 1; trial 0 is the suite's own settings)."""
    points = {name: float(uniforms(derive_seed("tune", name, trial), 1)[0]) for name in space}
    return {name: axis.at(points[name]) for name, axis in space.items()}


def applied(row: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """The raw table of a suite's row with drawn values in place, also of what its `when` says of them."""
    hyper = {name: value for name, value in values.items() if name not in OPTIMIZER}
    optimizer = {name: value for name, value in values.items() if name in OPTIMIZER}
    table = _with(row, hyper, optimizer)
    if "when" in row:
        table["when"] = [_with(when, {}, {}, dropped=values) for when in row["when"]]
    return table


def _with(
    table: Mapping[str, Any],
    hyper: Mapping[str, Value],
    optimizer: Mapping[str, Value],
    dropped: Collection[str] = (),
) -> dict[str, Any]:
    """A row's or condition's table with other `hyper` and `training.optimizer`; without tables that would be empty."""
    training = dict(table.get("training", {}))
    parts = {"hyper": (table.get("hyper", {}), hyper), "optimizer": (training.get("optimizer", {}), optimizer)}
    new = {
        key: {name: value for name, value in old.items() if name not in dropped} | dict(drawn)
        for key, (old, drawn) in parts.items()
    }
    training = (
        {**training, "optimizer": new["optimizer"]}
        if new["optimizer"]
        else {key: value for key, value in training.items() if key != "optimizer"}
    )
    rest = {key: value for key, value in table.items() if key not in ("hyper", "training")}
    return rest | {key: value for key, value in (("hyper", new["hyper"]), ("training", training)) if value}
