"""Figures over epochs: test accuracy, memorisation, values of clean and mislabelled samples, purity of a selection."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy import stats

from reports.figure_style import CLEAN, INK, WRONG, Drawn, Panels, Style, handle, interval, panels, style_of
from reports.gather import Section, train_rate
from reports.names import fit
from results.inference import LEVEL

_INTERVAL = "Lines: mean over seeds; bands: 95% interval of the mean (Student's t), which one run does not have."


@functools.cache
def _quantile(count: int) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) if count > 1 else math.nan


def means(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean and interval over runs by epoch: columns epoch, mean, low, high. curves: columns epoch, value."""
    found = curves.groupby("epoch", sort=True)["value"].agg(["mean", "std", "count"]).reset_index()
    half = found["count"].map(_quantile) * found["std"] / np.sqrt(found["count"])
    return found[["epoch", "mean"]].assign(low=found["mean"] - half, high=found["mean"] + half)


class Curves:
    """The curves of a section's runs, looked up by cell and quantity."""

    def __init__(self, section: Section) -> None:
        table = section.material.curves
        found = table[table["address"].isin(list(section.frame["address"]))]
        self.groups = dict(iter(found.groupby(["address", "quantity"], observed=True)))
        self.section = section

    def quantities(self) -> list[str]:
        return sorted({str(quantity) for _, quantity in self.groups})

    def of(self, dataset: str, setting: str, method: str, quantity: str) -> pd.DataFrame | None:
        """Mean and interval over the cell's runs; None where no run has the quantity."""
        runs = self.section.done(dataset, setting, method)["address"]
        parts = [self.groups[address, quantity] for address in runs if (address, quantity) in self.groups]
        return means(pd.concat(parts)) if parts else None


def draw_line(axis: Axes, line: pd.DataFrame, style: Style, order: int = 0) -> None:
    """A mean line with its band, which ends at 0 and 1 where all values are shares; a few markers, shifted for each
    line so that they do not hide each other."""
    step = max(1, len(line) // 5)
    low, high = line["low"], line["high"]
    if line["mean"].between(0, 1).all():
        low, high = low.clip(0, 1), high.clip(0, 1)
    interval(axis, line["epoch"], low, high, style.color)
    axis.plot(line["epoch"], line["mean"], color=style.color, linestyle=style.dash, marker=style.marker,
              markevery=(order % step, step), markeredgewidth=0)  # fmt: skip


def _epochs(drawn: Panels) -> None:
    for axis in drawn.axes:
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.margins(x=0.02)


def _percent(axes: Iterable[Axes]) -> None:
    for axis in axes:
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
        axis.yaxis.set_major_locator(MaxNLocator(5))


_Key = tuple[str, tuple[str, str], str]
"""Quantity, place (data set and setting) and method of a line."""


def _lines(section: Section, lines: dict[_Key, pd.DataFrame], y: str, rows: Sequence[tuple[str, str]]) -> Panels | None:
    """Panels of settings and quantities, one line a method. rows: title and name of each quantity.

    Settings that lack the first quantity are left out. Quantities stand side by side where the settings are few.
    """
    used = [method for method in section.methods if any(key[2] == method for key in lines)]
    first = rows[0][1] if any(key[0] == rows[0][1] for key in lines) else rows[-1][1]
    kept = [place for place in section.places if any(key[:2] == (first, place) for key in lines)]
    if not kept:
        return None
    wide = len(rows) > 1 and len(kept) > len(rows)
    order = [(row, place) for row in rows for place in kept] if wide else [(row, p) for p in kept for row in rows]
    titles = [section.place_title(*place) + (f": {title}" if title else "") for (title, _), place in order]
    labels = [section.methods[method] for method in used]
    most = 4 if len(rows) == 1 else min(len(kept), 6) if wide else len(rows)
    drawn = panels(titles, x="epoch", y=y, most=most, entries=labels)
    for axis, ((_, quantity), place) in zip(drawn.axes, order, strict=True):
        for number, method in enumerate(used):
            if (quantity, place, method) in lines:
                draw_line(axis, lines[quantity, place, method], style_of(method), number)
    _percent(drawn.axes)
    _epochs(drawn)
    drawn.legend([handle(section.methods[method], style_of(method), marker=True) for method in used])
    return drawn


def _recorded(section: Section, curves: Curves, quantities: Iterable[str]) -> dict[_Key, pd.DataFrame]:
    return {
        (quantity, place, method): line
        for quantity in quantities for place in section.places for method in section.methods
        if (line := curves.of(*place, method, quantity)) is not None
    }  # fmt: skip


def test_accuracy(section: Section, curves: Curves) -> Drawn | None:
    """Test accuracy by epoch, one panel a setting."""
    lines = _recorded(section, curves, ["test_accuracy"])
    drawn = _lines(section, lines, "test accuracy (%)", [("", "test_accuracy")])
    if drawn is None:
        return None
    caption = _INTERVAL
    return Drawn(f"{section.name}-test-accuracy", "Test accuracy by epoch", caption, drawn.figure)


def memorisation(section: Section, curves: Curves) -> Drawn | None:
    """Shares of the mislabelled samples predicted as given and as true label, and of the clean ones as given."""
    rows = [
        ("memorised", "memorisation.mislabelled_given"), ("corrected", "memorisation.mislabelled_true"),
        ("clean fitted", "memorisation.clean_given"),
    ]  # fmt: skip
    lines = _recorded(section, curves, [quantity for _, quantity in rows])
    drawn = _lines(section, lines, "share of samples (%)", rows)
    if drawn is None:
        return None
    caption = (
        "Measured in evaluation mode on the unaugmented training set. Memorised: mislabelled samples "
        "predicted as their wrong given label; corrected: as their true label; clean fitted: clean samples predicted "
        f"as their label. {_INTERVAL}"
    )
    return Drawn(f"{section.name}-memorisation", "Memorisation by epoch", caption, drawn.figure)


_GROUPS = {"clean": CLEAN, "mislabelled": WRONG}


def observed_names(curves: Curves) -> set[str]:
    """Names of the values that methods observed."""
    endings = tuple(f".{group}" for group in _GROUPS)
    found = [name for name in curves.quantities() if name.startswith("observed.") and name.endswith(endings)]
    return {name.removeprefix("observed.").rpartition(".")[0] for name in found}


def observed(section: Section, curves: Curves, quantity: str) -> Drawn | None:
    """A value that methods observe in training (such as CAR's h), mean over clean and over mislabelled samples."""
    lines = {
        (place, method, group): line
        for place in section.places for method in section.methods for group in _GROUPS
        if (line := curves.of(*place, method, f"observed.{quantity}.{group}")) is not None
    }  # fmt: skip
    shown = list(dict.fromkeys((place, method) for place, method, _ in lines))
    if not shown:
        return None
    words = quantity.replace("_", " ")
    several = len({method for _, method in shown}) > 1
    titles = [
        section.place_title(*place) + (f"\n{section.methods[method]}" if several else "") for place, method in shown
    ]  # fmt: skip
    drawn = panels(titles, x="epoch", y=f"mean {words}", entries=list(_GROUPS), tall_titles=several)
    dashes: dict[str, Any] = {"clean": "-", "mislabelled": "--"}
    for axis, (place, method) in zip(drawn.axes, shown, strict=True):
        for group, color in _GROUPS.items():
            if (place, method, group) in lines:
                draw_line(axis, lines[place, method, group], Style(color, dashes[group], ""))
    _epochs(drawn)
    drawn.legend([Line2D([], [], color=color, ls=dashes[group], label=group) for group, color in _GROUPS.items()])
    who = ", ".join(dict.fromkeys(section.methods[method] for _, method in shown))
    title = f"{'Confidence h' if quantity == 'confidence' else words.capitalize()} of clean and mislabelled samples"
    caption = f"Seen in the training passes ({who}). {_INTERVAL}"
    return Drawn(f"{section.name}-{fit(quantity.replace('_', '-'))}", title, caption, drawn.figure)


def selection(section: Section, curves: Curves) -> Drawn | None:
    """Purity (share of clean labels among the selected samples) and the share of all clean samples selected."""
    lines: dict[_Key, pd.DataFrame] = {}
    for place in section.places:
        for method in section.methods:
            parts = [_purity(section, curves, run) for run in section.done(*place, method)["address"]]
            for name in ("purity", "clean kept"):
                known = [
                    part[["epoch", name]].set_axis(["epoch", "value"], axis=1) for part in parts if part is not None
                ]
                if known and not (joined := pd.concat(known).dropna()).empty:
                    lines[name, place, method] = means(joined)
    drawn = _lines(section, lines, "share of samples (%)", [("purity", "purity"), ("clean kept", "clean kept")])
    if drawn is None:
        return None
    shares = {f"{section.place_title(*place)}: purity": _clean_share(section, place) for place in section.places}
    for axis in drawn.axes:
        if axis.get_title() in shares:
            axis.axhline(shares[axis.get_title()], color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
    caption = (
        "Samples selected in the training passes. Purity: share of clean labels among the selected; clean kept: share "
        f"of all clean samples that are selected; dashed: share of clean labels in the training set. {_INTERVAL}"
    )
    return Drawn(f"{section.name}-selection", "Purity of the selected samples", caption, drawn.figure)


def _clean_share(section: Section, place: tuple[str, str]) -> float:
    rates = [train_rate(section.material.records[address]) for address in section.done(*place)["address"]]
    return 1 - float(np.mean(rates)) if rates else math.nan


def _purity(section: Section, curves: Curves, address: str) -> pd.DataFrame | None:
    both = [curves.groups.get((address, f"observed.selected.{group}")) for group in _GROUPS]
    if both[0] is None or both[1] is None:
        return None
    clean, wrong = (part.set_index("epoch")["value"] for part in both if part is not None)
    rate = train_rate(section.material.records[address])
    kept = clean * (1 - rate)
    total = kept + wrong * rate
    table = pd.DataFrame({"purity": kept / total.where(total > 0), "clean kept": clean})
    return table.rename_axis("epoch").reset_index()
