"""Means over runs of what changes by epoch, with intervals: what figures and pages draw as lines."""

from __future__ import annotations

import functools
import math

import numpy as np
import pandas as pd
from scipy import stats

from reports.gather import Section
from results.inference import LEVEL


@functools.cache
def _quantile(count: int) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) if count > 1 else math.nan


def means(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean and interval over runs by epoch: columns epoch, mean, low, high. curves: columns epoch, value."""
    by_epoch = curves.groupby("epoch", sort=True)["value"].agg(["mean", "std", "count"]).reset_index()
    half = by_epoch["count"].map(_quantile) * by_epoch["std"] / np.sqrt(by_epoch["count"])
    return by_epoch[["epoch", "mean"]].assign(low=by_epoch["mean"] - half, high=by_epoch["mean"] + half)


class Curves:
    """The curves of a section's runs, looked up by cell and quantity."""

    def __init__(self, section: Section) -> None:
        table = section.material.curves
        curves = table[table["address"].isin(list(section.frame["address"]))]
        self.groups = dict(iter(curves.groupby(["address", "quantity"], observed=True)))
        self._means: dict[tuple[tuple[str, str], str, str], pd.DataFrame | None] = {}

    def quantities(self) -> list[str]:
        """Names of all quantities, sorted."""
        return sorted({str(quantity) for _, quantity in self.groups})

    def of(self, section: Section, place: tuple[str, str], method: str, quantity: str) -> pd.DataFrame | None:
        """Mean and interval over the cell's runs; None where no run has the quantity. section: or a part of it."""
        runs = section.done(*place, method)["address"]
        if runs.empty:
            return None  # a part has fewer cells than the whole, whose means are kept
        key = place, method, quantity
        if key not in self._means:
            parts = [self.groups[address, quantity] for address in runs if (address, quantity) in self.groups]
            self._means[key] = means(pd.concat(parts)) if parts else None
        return self._means[key]


def curves_of(section: Section) -> Curves:
    """The section's curves, made once: the figures and the page ask for the same means."""
    if "curves" not in section.made:
        section.made["curves"] = Curves(section)
    curves: Curves = section.made["curves"]
    return curves
