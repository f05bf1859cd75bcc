"""The curves of a run epoch by epoch, as plain numbers by name: what trackers are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """A value of a curve: one number, one for each member, or none."""
    if isinstance(value, list):
        for member, one in enumerate(value, start=1):
            yield from _numbers(f"{name}/{member}", one)
    elif isinstance(value, int | float):
        yield name, float(value)


def _part(prefix: str, held: Mapping[str, Any], epoch: int, epochs: list[int]) -> Iterator[tuple[str, float]]:
    own = held.get("epoch", epochs)
    for name, values in held.items():
        if isinstance(values, Mapping):
            yield from _part(f"{prefix}{name}/", values, epoch, own)
        elif name != "epoch" and epoch in own and len(values) > own.index(epoch):
            yield from _numbers(f"{prefix}{name}", values[own.index(epoch)])


def values_of(curves: Mapping[str, Any], epoch: int) -> dict[str, float]:
    """What the curves of a record say of one epoch (from 1): "test_accuracy", "memorisation/clean_given", ...

    What is measured every few epochs is there in these alone; what has no value is left out.
    """
    return dict(_part("", curves, epoch, curves["epoch"]))
