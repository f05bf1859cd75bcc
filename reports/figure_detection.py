"""The figure of finding the wrong labels: ROC and precision-recall curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.figure_looks import styles_of
from reports.figure_panels import panels
from reports.figure_style import INK, Drawn, handle
from reports.figure_texts import labels_of
from reports.gather import Section

Floats = NDArray[np.float64]

SEEDS = 3
"""Runs of a cell whose per-sample scores are read: they are large, and a curve needs no more."""
GRID = np.linspace(0, 1, 101)
_APART = 25  # points of GRID between two markers of a line


def curves(score: Floats, mislabelled: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """True positive rate at the false positive rates of GRID, and precision at the recalls of GRID.

    score: [n], larger for labels held to be right; mislabelled: [n]. Equal scores are one step. Both groups must have
    samples. The precision at a recall is that of the first threshold that reaches it.
    """
    order = np.argsort(score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(mislabelled[order])[ends]
    called = ends + 1
    wrong, clean = int(mislabelled.sum()), int((~mislabelled).sum())
    false_rate, recall = (called - hits) / clean, hits / wrong
    roc = np.interp(GRID, np.append(0.0, false_rate), np.append(0.0, recall))
    reached = np.searchsorted(recall, np.maximum(GRID, 1 / wrong) - 1e-12)
    return roc, (hits / called)[np.minimum(reached, len(ends) - 1)]


class Scores:
    """Per-sample scores of a section's runs, each file read once."""

    def __init__(self, section: Section) -> None:
        self._material = section.material
        self._read: dict[str, dict[str, NDArray[Any]] | None] = {}

    def of(self, address: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of a run; None where there are none."""
        if address not in self._read:
            arrays = self._material.arrays(address)
            needed = {"given", "given_probability_mean"}
            self._read[address] = arrays if arrays is not None and needed <= arrays.keys() else None
        return self._read[address]

    def cell(self, section: Section, place: tuple[str, str], method: str) -> list[dict[str, NDArray[Any]]]:
        """The arrays of the first few seeds of a cell, where the true labels are known."""
        loaded = map(self.of, section.done(*place, method)["address"].iloc[:SEEDS])
        return [arrays for arrays in loaded if arrays is not None and "true" in arrays]


def noisy_place(section: Section, dataset: str) -> tuple[str, str] | None:
    """The data set's first setting with wrong labels, or with labels of which nobody knows whether they are."""
    for setting in section.settings(dataset):
        rates = section.done(dataset, setting)["actual_rate"]
        if len(rates) and not (rates == 0).all():
            return dataset, setting
    return None


_Row = tuple[tuple[str, str], str]
"""Place (data set and setting) and method."""


def _measured(section: Section, scores: Scores) -> tuple[dict[_Row, tuple[Floats, Floats]], dict[_Row, float]]:
    """The curves of each row in each place, and its share of wrong labels, both means over its first few seeds."""
    lines: dict[_Row, tuple[Floats, Floats]] = {}
    bases: dict[_Row, float] = {}
    for place in section.places:
        for method in section.methods:
            pairs, rates = [], []
            for arrays in scores.cell(section, place, method):
                wrong = arrays["given"] != arrays["true"]
                if 0 < wrong.sum() < len(wrong):
                    pairs.append(curves(arrays["given_probability_mean"].astype(np.float64), wrong))
                    rates.append(float(wrong.mean()))
            if pairs:
                roc, precision = (np.mean(part, axis=0) for part in zip(*pairs, strict=True))
                lines[place, method] = roc, precision
                bases[place, method] = float(np.mean(rates))
    return lines, bases


def detection_curves(section: Section, scores: Scores) -> Drawn | None:
    """ROC (above) and precision-recall curves (below) of the probability of the given label, mean over epochs."""
    lines, bases = _measured(section, scores)
    if not lines:
        return None
    places, used = list(dict.fromkeys(place for place, _ in lines)), list(dict.fromkeys(method for _, method in lines))
    headings = [section.place_title(*place) for place in places]
    looks, names = styles_of(tuple(section.methods)), labels_of(section.methods)
    labels = [names[method] for method in used]
    drawn = panels(
        [f"{heading}\n{kind}" for heading in headings for kind in ("ROC", "precision and recall")], width=1.8,
        height=1.8, most=4, rigid=True, entries=labels, share_x=False, share_y=False, tall_titles=True, least=0.85,
    )  # fmt: skip
    for position, place in enumerate(places):
        roc_axis, pr_axis = drawn.axes[2 * position : 2 * position + 2]
        roc_axis.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
        levels = {method: base for (there, method), base in bases.items() if there == place}
        one = len(set(levels.values())) == 1
        for base, color in {base: INK if one else looks[method].color for method, base in levels.items()}.items():
            pr_axis.axhline(base, color=color, linewidth=0.7, linestyle=(0, (6, 3)))
        for number, method in enumerate(used):
            if (place, method) in lines:
                style, first = looks[method], 3 * number % _APART
                for axis, values in zip((roc_axis, pr_axis), lines[place, method], strict=True):
                    axis.plot(GRID, values, linestyle=style.dash, markevery=(first, _APART), **style.mark())
        for axis, (x, y) in (
            (roc_axis, ("false positive rate", "true positive rate")),
            (pr_axis, ("recall", "precision")),
        ):
            axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=x, ylabel=y)
    drawn.legend([handle(names[method], looks[method], marker=True) for method in used])
    caption = (
        "Finding the mislabelled samples by the probability of the given label, mean over epochs; positive means "
        f"mislabelled. Mean over up to {SEEDS} seeds; dashed: chance (precision: the share of wrong labels, in a "
        "row's colour where rows differ)."
    )
    parts = [_curve_data(section, *key, *pair, bases[key]) for key, pair in lines.items()]
    data = pd.concat(parts, ignore_index=True)
    return Drawn(f"{section.name}-detection", "Finding the wrong labels", caption, drawn.figure, data)


def _curve_data(
    section: Section, place: tuple[str, str], method: str, roc: Floats, precision: Floats, base: float
) -> pd.DataFrame:
    """The two curves of a line below each other; x, y and chance are shares."""
    both = [
        pd.DataFrame({"curve": curve, "x": GRID.round(6), "y": values.round(6), "chance": np.round(chance, 6)})
        for curve, values, chance in (("true positive rate by false positive rate", roc, GRID),
                                      ("precision by recall", precision, base))
    ]  # fmt: skip
    first = {"dataset": place[0], "setting": place[1], "method": method, "title": section.methods[method]}
    table = pd.concat(both, ignore_index=True).assign(**first)
    return table[[*first, "curve", "x", "y", "chance"]]
