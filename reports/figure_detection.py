"""Figures of finding the wrong labels: ROC and precision-recall curves, scores of clean and mislabelled samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.patches import Patch
from numpy.typing import NDArray

from reports.figure_style import CLEAN, INK, WRONG, Drawn, handle, panels, style_of
from reports.gather import Section

Floats = NDArray[np.float64]

SEEDS = 3
"""Runs of a cell whose per-sample scores are read: they are large, and a curve needs no more."""
GRID = np.linspace(0, 1, 101)


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
        self.section = section
        self._read: dict[str, dict[str, NDArray[Any]] | None] = {}

    def of(self, address: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of a run; None where there are none."""
        if address not in self._read:
            arrays = self.section.material.arrays(address)
            needed = {"given", "given_probability_mean"}
            self._read[address] = arrays if arrays is not None and needed <= arrays.keys() else None
        return self._read[address]

    def cell(self, place: tuple[str, str], method: str) -> list[dict[str, NDArray[Any]]]:
        """The arrays of the first few seeds of a cell, where the true labels are known."""
        found = map(self.of, self.section.done(*place, method)["address"].iloc[:SEEDS])
        return [arrays for arrays in found if arrays is not None and "true" in arrays]

    def noisy_place(self, dataset: str) -> tuple[str, str] | None:
        """The data set's first setting with wrong labels, or with labels of which nobody knows whether they are."""
        for setting in self.section.settings(dataset):
            rates = self.section.done(dataset, setting)["actual_rate"]
            if len(rates) and not (rates == 0).all():
                return dataset, setting
        return None


def detection_curves(section: Section, scores: Scores) -> Drawn | None:
    """ROC (above) and precision-recall curves (below) of the probability of the given label, mean over epochs."""
    lines: dict[tuple[tuple[str, str], str], tuple[Floats, Floats]] = {}
    bases: dict[tuple[str, str], float] = {}
    for place in section.places:
        for method in section.methods:
            pairs, rates = [], []
            for arrays in scores.cell(place, method):
                wrong = arrays["given"] != arrays["true"]
                if 0 < wrong.sum() < len(wrong):
                    pairs.append(curves(arrays["given_probability_mean"].astype(np.float64), wrong))
                    rates.append(float(wrong.mean()))
            if pairs:
                roc, precision = (np.mean(part, axis=0) for part in zip(*pairs, strict=True))
                lines[place, method] = roc, precision
                bases[place] = float(np.mean(rates))
    if not lines:
        return None
    places, used = list(bases), list(dict.fromkeys(method for _, method in lines))
    headings = [section.place_title(*place) for place in places]
    labels = [section.methods[method] for method in used]
    drawn = panels(
        [f"{heading}\n{kind}" for heading in headings for kind in ("ROC", "precision and recall")], width=1.8,
        height=1.8, most=4, rigid=True, entries=labels, share_x=False, share_y=False, tall_titles=True,
    )  # fmt: skip
    for position, place in enumerate(places):
        roc_axis, pr_axis = drawn.axes[2 * position : 2 * position + 2]
        roc_axis.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
        pr_axis.axhline(bases[place], color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
        for method in used:
            if (place, method) in lines:
                style = style_of(method)
                for axis, values in zip((roc_axis, pr_axis), lines[place, method], strict=True):
                    axis.plot(GRID, values, color=style.color, linestyle=style.dash)
        for axis, (x, y) in (
            (roc_axis, ("false positive rate", "true positive rate")),
            (pr_axis, ("recall", "precision")),
        ):
            axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=x, ylabel=y)
    drawn.legend([handle(section.methods[method], style_of(method)) for method in used])
    caption = (
        "Finding the mislabelled samples by the probability of the given label, mean over epochs; positive means "
        f"mislabelled. Mean over up to {SEEDS} seeds; dashed: chance (precision: the share of wrong labels)."
    )
    return Drawn(f"{section.name}-detection", "Finding the wrong labels", caption, drawn.figure)


def score_histograms(section: Section, scores: Scores) -> Drawn | None:
    """Scores of clean and of mislabelled samples, a panel a method, in the first noisy setting of each data set."""
    shown: list[tuple[str, Floats, NDArray[np.bool_]]] = []
    for dataset in section.datasets:
        place = scores.noisy_place(dataset)
        for method, title in section.methods.items() if place else ():
            cell = scores.cell(place, method) if place else []
            for key, what in (("given_probability_mean", "p of given label"), ("own_score", "own score")):
                values = [arrays[key].astype(np.float64) for arrays in cell if key in arrays]
                if values and place:
                    wrong = np.concatenate([a["given"] != a["true"] for a in cell if key in a])
                    heading = f"{section.place_title(*place)}\n{title[:30]}, {what}"
                    shown.append((heading, np.concatenate(values), wrong))
    if not shown:
        return None
    drawn = panels([heading for heading, _, _ in shown], x="score", y="density", width=1.9, height=1.2,
                   share_x=False, share_y=False, entries=["clean", "mislabelled"], tall_titles=True)  # fmt: skip
    colors = {"clean": CLEAN, "mislabelled": WRONG}
    for axis, (_, score, wrong) in zip(drawn.axes, shown, strict=True):
        range_ = min(float(score.min()), 0.0), max(float(score.max()), 1.0)
        table = pd.DataFrame({"score": score, "group": np.where(wrong, *reversed(colors))})
        sns.histplot(table, x="score", hue="group", hue_order=list(colors), ax=axis, stat="density", bins=40,
                     common_norm=False, element="step", legend=False, binrange=range_, palette=colors, linewidth=0.9,
                     alpha=0.3)  # fmt: skip
        axis.set(xlabel="", ylabel="", yticks=[])
        axis.set_title(axis.get_title(), fontsize=6.8)
    drawn.legend([Patch(facecolor=color, alpha=0.6, label=name) for name, color in colors.items()])
    caption = (
        "Scores of clean and of mislabelled samples, each normalised for itself: the probability of the given label, "
        f"mean over epochs, and the method's own score where it has one. First noisy setting, up to {SEEDS} seeds."
    )
    return Drawn(f"{section.name}-scores", "Scores of clean and mislabelled samples", caption, drawn.figure)
