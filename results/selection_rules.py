"""The selection rules by name: which epoch's test accuracy is the number of a run.

A plug-in declares more of them in a list `SELECTION_RULES`. A rule looks at the finished record alone, so that it can
be asked of runs made before it was written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from common.record import Record
from common.registry import Registry
from results.record import StoreError

NEEDS = ("", "noisy", "clean")
SHOWN = ("always", "known", "asked")
Value = Callable[[Record, str], "float | None"]


@dataclass(frozen=True)
class SelectionRule:
    """A way to choose the epoch whose test accuracy counts.

    value: `value(record, curve)`, the number in [0, 1] that the rule makes of a curve of the record ("test_accuracy",
    "test_top5", "NAME_accuracy" of a further test set); None where the run lacks what it needs. source: who reports so.
    lacks: why a run has no value, in words. needs: the validation labels that a suite must have for it ("noisy",
    "clean" or ""). shown: in tables of every rule side by side "always", where its value is "known" of some run,
    or where a table is made by it ("asked").
    """

    name: str
    title: str
    source: str
    value: Value
    lacks: str = "no such value"
    needs: str = ""
    shown: str = "always"

    @property
    def column(self) -> str:
        """Of frames (`results.load`)."""
        return f"accuracy_{self.name}"

    def number(self, record: Record, curve: str = "test_accuracy") -> float:
        """What `value` gives; NaN where it gives None. Raises StoreError where that is no number in [0, 1]."""
        where = f"selection rule {self.name!r}: record {record['address'][:12]}"
        try:
            value = self.value(record, curve)
            number = math.nan if value is None else float(value)
        except Exception as fault:  # a plug-in's
            raise StoreError(f"{where}: {type(fault).__name__}: {' '.join(str(fault).split())}") from fault
        if value is not None and not 0 <= number <= 1:
            raise StoreError(f"{where}: {number} is no number in [0, 1]")
        return number


def _curve(record: Record, curve: str) -> Sequence[float] | None:
    curves: Any = record["curves"]
    values: Sequence[float] | None = curves.get(curve)
    return values or None


def _recorded(name: str) -> Value:
    """What the record says; of another curve than the test accuracy its value where the rule stops the run."""

    def value(record: Record, curve: str) -> float | None:
        chosen, values = record["selection"].get(name), _curve(record, curve)
        if chosen is None or curve == "test_accuracy":
            return None if chosen is None else chosen["test_accuracy"]
        if values is None:
            return None
        if "epoch" in chosen:
            return values[chosen["epoch"] - 1]
        return _mean(values[-chosen["epochs"] :]) if "epochs" in chosen else None

    return value


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_of_last(count: int) -> Value:
    def value(record: Record, curve: str) -> float | None:
        values = _curve(record, curve)
        return None if values is None else _mean(values[-count:])

    return value


def _largest(record: Record, curve: str) -> float | None:
    values = _curve(record, curve)
    return None if values is None else max(values)


RULES: Registry[SelectionRule] = Registry(
    "selection rule",
    (
        SelectionRule("last", "last epoch", "what a user gets who trains to the end", _recorded("last")),
        SelectionRule(
            "last_mean", "mean of the last 10 epochs", "co-teaching (Han et al. 2018), JoCoR (Wei et al. 2020)",
            _recorded("last_mean"),
        ),
        SelectionRule(
            "best_test", "best test epoch (oracle)", "the released code of DivideMix, SOP and of CIFAR-N's leaderboard",
            _recorded("best_test"),
        ),
        SelectionRule(
            "noisy_validation", "best on noisy validation", "what a user without clean labels can do",
            _recorded("noisy_validation"), "no noisy validation split", "noisy",
        ),
        SelectionRule(
            "clean_validation", "best on clean validation", "Clothing1M's protocol (Patrini et al. 2017; ELR's code)",
            _recorded("clean_validation"), "no clean validation split", "clean",
        ),
        SelectionRule(
            "last_5_mean", "mean of the last 5 epochs", "no bundled table: for those that report so",
            _mean_of_last(5), shown="asked",
        ),
        SelectionRule(
            "best_test_each", "best test epoch of each metric (oracle)",
            "NAL's released train_webvision.py: top-1 and top-5 of each test set, each at its own best epoch",
            _largest, shown="asked",
        ),
        SelectionRule(
            "clean_validation_each", "each network at its best on clean validation, summed",
            "DivideMix's released Train_clothing1M.py: logits of both networks summed, each of its own best epoch",
            _recorded("clean_validation_each"), "no validation of each network", "clean", "known",
        ),
    ),
    StoreError,
)  # fmt: skip


def columns() -> tuple[str, ...]:
    """The columns of frames, of the rules that plug-ins added last."""
    return tuple(rule.column for rule in RULES)


def added() -> bool:
    """Whether a plug-in has added a rule, whose values no cache may keep: its file may change."""
    return len(RULES.built_in) < len(RULES)
