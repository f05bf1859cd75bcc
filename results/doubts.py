"""What a record says that cannot all be so: marked where records are shown or taken over, not refused.

A record is text, and text can be changed. Its address proves its specification, nothing proves its numbers; but many of
them follow from others, and a change of one is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from common.record import Record
from common.specification import read

Redraw = Callable[[Record], "str | None"]
"""Says what is wrong with the noisy labels of a record; None where nothing is, or where it cannot be known."""

LAST_EPOCHS = 10
_CLOSE = 1e-6
_BY = {"best_test": "test_accuracy", "noisy_validation": "noisy_validation_accuracy",
       "clean_validation": "clean_validation_accuracy"}  # fmt: skip


def doubts(record: Record) -> list[str]:
    """What contradicts itself in a valid record, one short text each; empty for what the suite wrote."""
    curves, final = record["curves"], record["final"]
    accuracy = curves["test_accuracy"]
    contradictions = []
    if len(accuracy) != read(record["spec"]).epochs:
        contradictions.append("its curves do not have as many epochs as its specification")
    contradictions += [f"'selection.{name}' does not follow from its curves" for name in _wrong_selections(record)]
    if not _same(final.get("test_accuracy"), accuracy[-1]):
        contradictions.append("'final.test_accuracy' is not the end of its curve")
    confusion = final.get("confusion") or []
    total = sum(map(sum, confusion))
    if total and not _same(sum(row[n] for n, row in enumerate(confusion)) / total, accuracy[-1]):
        contradictions.append("'final.confusion' does not have its test accuracy")
    return contradictions


def _same(first: float | None, second: float | None) -> bool:
    return first is None or second is None or math.isclose(first, second, rel_tol=0, abs_tol=_CLOSE)


def _wrong_selections(record: Record) -> list[str]:
    curves: Mapping[str, Any] = record["curves"]
    accuracy, wrong = record["curves"]["test_accuracy"], []
    last = accuracy[-LAST_EPOCHS:]
    due = {"last": accuracy[-1], "last_mean": sum(last) / len(last)}
    for name, by in _BY.items():
        values = curves.get(by)
        if values and None not in values:
            due[name] = accuracy[max(range(len(values)), key=values.__getitem__)]
    for name, chosen in record["selection"].items():
        if name in _BY and name not in due:
            wrong.append(name)  # chosen by a curve that isn't there
        elif name in due and not _same(chosen["test_accuracy"], due[name]):
            wrong.append(name)
    return wrong


def doubtful(records: Iterable[Record], redraw: Redraw | None = None) -> list[str]:
    """One line for each kind of doubt: how many records have it, and which is the first of them."""
    kinds: dict[str, list[Record]] = {}
    for record in records:
        texts = doubts(record)
        if redraw is not None and (drawn := redraw(record)) is not None:
            texts.append(drawn)
        for text in texts:
            kinds.setdefault(text, []).append(record)
    return [_line(text, doubted) for text, doubted in kinds.items()]


def _line(text: str, records: list[Record]) -> str:
    first = records[0]
    label = f"{first['titles']['method']}, {first['titles']['noise']}, seed {first['spec']['seed']}"
    more = f", and {len(records) - 1} more" if len(records) > 1 else ""
    return f"doubtful record {first['address'][:12]} ({label}){more}: {text}"
