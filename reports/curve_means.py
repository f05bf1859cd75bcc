"""Means over runs of what changes by epoch, with intervals: what figures and pages draw as lines."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from reports.gather import Section
from results.inference import LEVEL


@functools.cache
def _quantile(count: int) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) if count > 1 else math.nan


def means(curves: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Mean and interval over runs by epoch: columns epoch, mean, low, high. curves: columns epoch, value.

    by: columns of `curves` that tell apart what has means of its own; they come first in what is given.
    """
    keys = [*by, "epoch"]
    by_epoch = curves.groupby(keys, sort=True, observed=True)["value"].agg(["mean", "std", "count"]).reset_index()
    half = by_epoch["count"].map(_quantile) * by_epoch["std"] / np.sqrt(by_epoch["count"])
    return by_epoch[[*keys, "mean"]].assign(low=by_epoch["mean"] - half, high=by_epoch["mean"] + half)


_CELL = ["dataset", "setting", "row"]


class Curves:
    """The curves of a section's runs, looked up by cell and quantity."""

    def __init__(self, section: Section) -> None:
        table = section.material.curves
        self._runs = section.frame.sort_values("seed", kind="stable")[["address", *_CELL]]
        self._curves = table[table["address"].isin(list(self._runs["address"]))]

    def quantities(self) -> list[str]:
        """Names of all quantities, sorted."""
        return sorted(map(str, self._curves["quantity"].unique()))

    @cached_property
    def _positions(self) -> Mapping[Any, Any]:
        return self._curves.groupby(["address", "quantity"], observed=True).indices

    def of_run(self, address: str, quantity: str) -> pd.DataFrame | None:
        """One run's curve, columns epoch and value among others; None where it has none."""
        positions = self._positions.get((address, quantity))
        return None if positions is None else self._curves.iloc[positions]

    @cached_property
    def _means(self) -> dict[tuple[tuple[str, str], str, str], pd.DataFrame]:
        """All cells' at once: one by one they took a twelfth of a large report's time."""
        by = [*_CELL, "quantity"]
        table = means(self._runs.merge(self._curves.astype({"address": "str"}), on="address"), by)
        groups = table.groupby(by, observed=True, sort=False)[["epoch", "mean", "low", "high"]]
        return {
            ((str(dataset), str(setting)), str(row), str(quantity)): part.reset_index(drop=True)
            for (dataset, setting, row, quantity), part in groups
        }

    def of(self, section: Section, place: tuple[str, str], method: str, quantity: str) -> pd.DataFrame | None:
        """Mean and interval over the cell's runs; None where no run has the quantity. section: or a part of it."""
        if section.done(*place, method).empty:
            return None  # a part has fewer cells than the whole, whose means are kept
        return self._means.get((place, method, quantity))


def curves_of(section: Section) -> Curves:
    """The section's curves, made once: the figures and the page ask for the same means."""
    if "curves" not in section.made:
        section.made["curves"] = Curves(section)
    curves: Curves = section.made["curves"]
    return curves
