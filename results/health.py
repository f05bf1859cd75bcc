"""Whether a run is sound: at which epoch it collapsed, or that it diverged; judged from what is recorded of it alone.

A run collapsed if it ends at chance, or ends far below its own best on noisy validation. It diverged if its loss or
gradient was no longer finite: then it has no record, and the traceback of its failure says so.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.raised_at import raised_at
from common.record import Collapse, Judged, Record

NEAR_CHANCE = 0.5
"""A run ends at chance within this share of chance above it: at 1.5 times chance."""
ABOVE_CHANCE = 1.0
"""A run has begun to learn further above chance than this share of it: at 2 times chance."""
_OF_THE_REST = 0.2
"""Of few classes chance is high, and its double may be all there is. So none of the shares above counts for more than
this part of it of what is left up to 100%: with 2 classes 55% is near chance, not 75%. From 6 classes on it is no less.
"""
FALL = 0.2
"""What a sound run may lose on noisy validation after its best epoch, as a difference of accuracies.

Cross-entropy that learns wrong labels by heart loses less: 0.186 at most in our own records."""
_ROUNDING = 1e-9
_MODULES = re.compile(r"^(\w+\.)+(?=\w+(:|$))")
"""What a traceback puts before the name of an exception."""
_OF_THE_DEVICE = re.compile(r"^(OutOfMemoryError|AcceleratorError)\b|\bCUDA (error|out of memory)\b|\bCUBLAS_STATUS_")
"""How torch tells what a device refuses."""


def bound(num_classes: int, share: float) -> float:
    """An accuracy above chance by `share` of chance, or less where classes are few (see the module's constants)."""
    chance = 1 / num_classes
    return chance + share * min(chance, _OF_THE_REST * (1 - chance))


def collapse(curves: Mapping[str, Any], num_classes: int) -> Collapse | None:
    """When and why the run of these curves collapsed: {"epoch", "reason"}; None where it did not, or nothing tells.

    At chance: the run ends at 1.5 times chance or below, on noisy validation or on the test images. Labels can be so
    noisy that a sound network too is at chance on noisy validation, so that does not count where the test accuracy is
    above 2 times chance. Fallen: the run ends more than 20 points below its best on noisy validation.

    A run that has not learnt yet, such as one of a single epoch, is at chance as well; then `reason` begins with "never
    above chance". Values that are null or not finite are passed over. Chance is 1 / num_classes: where the held-out
    images are unbalanced and no test set is balanced, a constant guess has more than that and is not noticed.
    """
    validation, test = _points(curves, "noisy_validation_accuracy"), _points(curves, "test_accuracy")
    best = max(validation.values(), default=0.0)
    fallen = {epoch for epoch, value in validation.items() if value < best - FALL - _ROUNDING}
    guessing = _at_chance(validation, test, num_classes)
    epochs = sorted({*validation, *test})
    ending = list(itertools.takewhile({*guessing, *fallen}.__contains__, reversed(epochs)))
    if not ending:
        return None
    last = epochs[-1]
    if last in guessing:
        reason = f"{guessing[last]} at the end, chance is {_percent(1 / num_classes)}"
        if len(guessing) == len(epochs):
            reason = f"never above chance: {reason}"
    else:
        reason = f"{_percent(validation[last])} on noisy validation at the end, {_percent(best)} at best"
    return {"epoch": ending[-1], "reason": reason}


def collapse_on_validation(curves: Mapping[str, Any], num_classes: int) -> Collapse | None:
    """`collapse` by noisy validation alone, for a search, which must not look at test labels."""
    kept = {name: curves[name] for name in ("epoch", "noisy_validation_accuracy") if name in curves}
    return collapse(kept, num_classes)


def first_above_chance(train_accuracy: Sequence[Any], num_classes: int) -> int | None:
    """The first epoch (from 1) whose training accuracy is above 2 times chance; None where there is none."""
    if num_classes < 2:
        return None
    limit = bound(num_classes, ABOVE_CHANCE) + _ROUNDING
    epochs = (epoch for epoch, value in enumerate(train_accuracy, 1) if _known(value) and value > limit)
    return next(epochs, None)


def judge(curves: Mapping[str, Any], num_classes: int) -> Judged:
    """`collapsed` and `first_above_chance`, the part of a record's `health` that its curves tell."""
    return {
        "collapsed": collapse(curves, num_classes),
        "first_above_chance": first_above_chance(curves.get("train_accuracy") or [], num_classes),
    }


def of_record(record: Record) -> Judged:
    """The same of a record: as it says, else as its curves tell, so that old records are judged alike."""
    told = judge(record["curves"], record["data"]["num_classes"])
    said = record.get("health", told)
    return {
        "collapsed": said.get("collapsed", told["collapsed"]),
        "first_above_chance": said.get("first_above_chance", told["first_above_chance"]),
    }


def is_divergence(traceback: str) -> bool:
    """Whether a run failed because its loss or gradient was no longer finite: a result of its settings, not a fault."""
    return _exception(traceback).startswith("FloatingPointError")


def divergence_line(traceback: str) -> str:
    """What a run that diverged raised, in a line; empty where it failed otherwise, or not."""
    return _exception(traceback) if is_divergence(traceback) else ""


def divergence_epoch(traceback: str) -> int | None:
    """The epoch in which a run diverged, where the message of its failure names one."""
    match = re.search(r"\bepoch (\d+)", _message(traceback)) if is_divergence(traceback) else None
    return int(match[1]) if match else None


def diverged(failures: Mapping[str, str]) -> dict[str, int | None]:
    """Of failed runs (address -> traceback) those that diverged, with the epoch where it is known."""
    return {address: divergence_epoch(text) for address, text in failures.items() if is_divergence(text)}


def failure_line(traceback: str) -> str:
    """What was raised, in a line that names the place in a method's or plug-in's file; empty where nothing was.

    Of a message of several lines it is the first. A device's faults have no place: they come up later than the call
    that made them, and its memory is filled by all that is on it.
    """
    line, place = _MODULES.sub("", _exception(traceback)), raised_at(traceback)
    placeless = not line or not place or ".py, line " in line or _OF_THE_DEVICE.search(line)
    return line if placeless else f"{line} ({place})"


def collapse_text(collapsed: Collapse) -> str:
    """A collapse in words: "from epoch 4 on (9.8% on noisy validation at the end, chance is 10.0%)"."""
    return f"from epoch {collapsed['epoch']} on ({collapsed['reason']})"


def epochs_text(epochs: Iterable[int | None]) -> str:
    """ "epoch 4", "epochs 4, 7": each once, in order; empty where none is known."""
    known = sorted({int(epoch) for epoch in epochs if epoch is not None})
    return f"epoch{'s' * (len(known) > 1)} {', '.join(map(str, known))}" if known else ""


def _message(traceback: str) -> str:
    """What follows the last frame of the traceback: the exception with all lines of its message and its notes."""
    lines = traceback.strip().splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not heads:
        return lines[-1] if lines else ""
    body = heads[-1] + 1
    while body < len(lines) and lines[body].startswith(" "):
        body += 1
    return "\n".join(lines[body:])


def _exception(traceback: str) -> str:
    return _message(traceback).partition("\n")[0]


def _points(curves: Mapping[str, Any], name: str) -> dict[int, float]:
    """Epoch -> value of the points that there are."""
    values = curves.get(name) or []
    epochs = curves.get("epoch") or range(1, len(values) + 1)
    return {int(epoch): float(value) for epoch, value in zip(epochs, values, strict=False) if _known(value)}


def _known(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _at_chance(validation: Mapping[int, float], test: Mapping[int, float], num_classes: int) -> dict[int, str]:
    """The epochs at chance, with the accuracy that says so; of a single class nothing can be told."""
    if num_classes < 2:
        return {}
    near, learnt = (bound(num_classes, share) + _ROUNDING for share in (NEAR_CHANCE, ABOVE_CHANCE))
    reasons = {epoch: f"{_percent(value)} on the test images" for epoch, value in test.items() if value <= near}
    for epoch, value in validation.items():
        if value <= near and test.get(epoch, 0.0) <= learnt:
            reasons[epoch] = f"{_percent(value)} on noisy validation"
    return reasons


def _percent(accuracy: float) -> str:
    return f"{100 * accuracy:.1f}%"
