"""Scores of clean and of mislabelled samples beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from numpy.typing import NDArray

from reports.figure_detection import SEEDS, Floats, Scores, noisy_place
from reports.figure_page import page
from reports.figure_panels import panels, small
from reports.figure_style import CLEAN, WRONG, Drawn
from reports.figure_texts import labels_of
from reports.gather import Section

_COLORS = {"clean": CLEAN, "mislabelled": WRONG}
_BINS = 40
_HATCH = "//////"
"""Of the mislabelled samples in print, for readers without colours."""


@dataclass(frozen=True)
class _Panel:
    """The scores of one kind that a method gives in a setting."""

    place: tuple[str, str]
    method: str
    label: str
    kind: str
    score: Floats
    wrong: NDArray[np.bool_]

    @property
    def range(self) -> tuple[float, float]:
        return min(float(self.score.min()), 0.0), max(float(self.score.max()), 1.0)


def _panels(section: Section, scores: Scores) -> Iterator[_Panel]:
    for dataset in section.datasets:
        place = noisy_place(section, dataset)
        for method, label in labels_of(section.methods, 24).items() if place else ():
            cell = scores.cell(section, place, method) if place else []
            for key, what in (("given_probability_mean", "p of given label"), ("own_score", "own score")):
                values = [arrays[key].astype(np.float64) for arrays in cell if key in arrays]
                if values and place:
                    wrong = np.concatenate([a["given"] != a["true"] for a in cell if key in a])
                    yield _Panel(place, method, label, what, np.concatenate(values), wrong)


def score_histograms(section: Section, scores: Scores) -> Drawn | None:
    """Scores of clean and of mislabelled samples, a panel a method, in the first noisy setting of each data set."""
    shown = list(_panels(section, scores))
    if not shown:
        return None
    titles = [f"{section.place_title(*each.place)}\n{each.label}, {each.kind}" for each in shown]
    drawn = panels(titles, x="score", y="density", width=1.9, height=1.2, share_x=False, share_y=False,
                   entries=list(_COLORS), tall_titles=True, least=0.95)  # fmt: skip
    for axis, each in zip(drawn.axes, shown, strict=True):
        labels = (axis.get_xlabel(), axis.get_ylabel()) if page().printed else ("", "")
        _draw(axis, each)
        axis.set(xlabel=labels[0], ylabel=labels[1], yticks=[])
        small(axis)
    hatches = {"mislabelled": _HATCH} if page().printed else {}
    drawn.legend([
        Patch(facecolor=color, alpha=0.6, label=name, hatch=hatches.get(name)) for name, color in _COLORS.items()
    ])  # fmt: skip
    caption = (
        "Scores of clean and of mislabelled samples, each normalised for itself: the probability of the given label, "
        f"mean over epochs, and the method's own score where it has one. First noisy setting, up to {SEEDS} seeds."
    )
    data = pd.concat([_data(section, each) for each in shown], ignore_index=True)
    return Drawn(f"{section.name}-scores", "Scores of clean and mislabelled samples", caption, drawn.figure, data)


def _draw(axis: Axes, each: _Panel) -> None:
    table = pd.DataFrame({"score": each.score, "group": np.where(each.wrong, *reversed(_COLORS))})
    sns.histplot(table, x="score", hue="group", hue_order=list(_COLORS), ax=axis, stat="density", bins=_BINS,
                 common_norm=False, element="step", legend=False, binrange=each.range, palette=_COLORS, linewidth=0.9,
                 alpha=0.3)  # fmt: skip
    for drawn in axis.collections if page().printed else ():
        if np.allclose(np.asarray(drawn.get_facecolor())[0][:3], to_rgb(WRONG)):
            drawn.set_hatch(_HATCH)


def _data(section: Section, each: _Panel) -> pd.DataFrame:
    """The bins and the densities of each group in them; empty where it has no sample."""
    edges = np.linspace(*each.range, _BINS + 1)
    groups = {"clean_density": ~each.wrong, "mislabelled_density": each.wrong}
    densities = {
        name: np.histogram(each.score[kept], edges, density=True)[0] if kept.any() else np.full(_BINS, np.nan)
        for name, kept in groups.items()
    }
    first = {
        "dataset": each.place[0], "setting": each.place[1], "method": each.method,
        "title": section.methods[each.method], "score": each.kind,
    }  # fmt: skip
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], **densities}).round(6).assign(**first)
    return table[[*first, "low", "high", *groups]]
