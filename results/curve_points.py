"""The curves of records as points in long form: address, quantity, epoch, value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from common.record import Record
from results.plain import lookup


def _quantities(record: Record) -> Iterator[tuple[str, list[int], list[Any]]]:
    curves: Mapping[str, Any] = record["curves"]
    epochs = record["curves"]["epoch"]
    for name, values in curves.items():
        if name == "memorisation":
            for part, measured in values.items():
                if part != "epoch":
                    yield f"memorisation.{part}", values["epoch"], measured
        elif name == "observed":
            for quantity, groups in values.items():
                for group, measured in groups.items():
                    if group != "epoch":
                        yield f"observed.{quantity}.{group}", groups["epoch"], measured
        elif name == "member_test_accuracy":
            for member, measured in enumerate(zip(*values, strict=True), start=1):
                yield f"{name}.{member}", epochs, list(measured)
        elif name != "epoch":
            yield name, epochs, values
    for name, values in (lookup(record, "health.epochs") or {}).items():
        yield f"health.{name}", epochs, values


def points(records: Iterable[Record]) -> dict[str, Any]:
    """The four columns; points that are null are left out."""
    addresses, lengths, names, epochs, values = [], [], [], [np.empty(0, np.int64)], [np.empty(0)]
    for record in records:
        for name, when, measured in _quantities(record):
            value = np.array(measured, dtype=np.float64)
            there = np.isfinite(value)
            addresses.append(record["address"])
            names.append(name)
            lengths.append(int(there.sum()))
            epochs.append(np.array(when, dtype=np.int64)[there])
            values.append(value[there])
    return {
        "address": _repeated(addresses, lengths),
        "quantity": _repeated(names, lengths),
        "epoch": np.concatenate(epochs),
        "value": np.concatenate(values),
    }


def _repeated(texts: list[str], counts: list[int]) -> pd.Categorical:
    whole = pd.Categorical(texts)
    return pd.Categorical.from_codes(np.repeat(whole.codes, counts), categories=whole.categories)
