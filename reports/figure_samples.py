"""A grid of images with given label, true label and score: the most suspicious and the most wrongly suspected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figure_detection import Floats, Scores, noisy_place
from reports.figure_page import HIGHEST, page, points
from reports.figure_style import CLEAN, INK, WRONG, Drawn
from reports.figure_texts import fitted, labels_of
from reports.gather import Section
from reports.names import fit

EACH = 6
"""Images of each kind in a row."""
METHODS = 6
KINDS = "most suspicious", "most wrongly suspected"
_SIDE, _GAP, _TEXT, _PRINTED_TEXT = 0.62, 0.1, 0.3, 0.42
_HEAD, _ROW_HEAD = 0.3, 0.2


def sample_grids(section: Section, scores: Scores) -> list[Drawn]:
    """One figure for each data set that has thumbnails, in its first noisy setting: a row for each of some methods."""
    drawn = []
    for dataset in section.datasets:
        place = noisy_place(section, dataset)
        rows = _rows(section, scores, place)[: _look().rows] if place else []
        if place and rows:
            name = f"{section.name}-samples" + ("" if len(section.datasets) == 1 else f"-{fit(dataset)}")
            heading = f"{section.dataset_title(dataset)}, {place[1]}"
            look = _look()
            first, second = ("left", "right") if look.both else ("first", "below")
            caption = (
                f"Training images of {heading}: {first} the {look.each} most suspicious; {second}, where the true "
                f"labels are known, the {look.each} most suspicious of the correctly labelled. Under each image: given "
                "label (red where it is wrong), true label where it differs, and the score by which a method holds "
                "the label to be right."
            )
            data = _data(rows, look).assign(dataset=dataset, setting=place[1])
            drawn.append(Drawn(name, f"Suspicious labels of {heading}", caption, _draw(rows, look), data))
    return drawn


@dataclass(frozen=True)
class _Row:
    """A method's images: its arrays, and the names of classes."""

    method: str
    title: str
    arrays: dict[str, Any]
    names: list[str]

    def name(self, label: int) -> str:
        return (self.names[label] if label < len(self.names) else str(label)).replace("_", " ")

    def labels(self, sample: int) -> tuple[int, int | None]:
        """Given and true label; None where that is not known."""
        true = self.arrays.get("true")
        return int(self.arrays["given"][sample]), None if true is None else int(true[sample])


def _rows(section: Section, scores: Scores, place: tuple[str, str]) -> list[_Row]:
    rows: list[_Row] = []
    for method, title in labels_of(section.methods).items():
        runs = section.done(*place, method)
        if runs.empty or len(rows) == METHODS:
            continue
        arrays = scores.of(str(runs["address"].iloc[0]))
        if arrays is not None and {"thumbnails", "thumbnail_rows"} <= arrays.keys() and len(arrays["thumbnails"]):
            record = section.material.records[str(runs["address"].iloc[0])]
            names = [str(name) for name in record.get("data", {}).get("class_names", [])]
            own = "own score" if "own_score" in arrays else "p of given label"
            rows.append(_Row(method, f"{title} ({own}, seed {runs['seed'].iloc[0]})", arrays, names))
    return rows


@dataclass(frozen=True)
class _Look:
    """How the images stand: so many of each kind in a line, both kinds in one line or in two. Sizes in inches."""

    each: int
    both: bool
    text: float
    width: float
    rows: int = METHODS

    @property
    def line(self) -> float:
        return _SIDE + self.text + _ROW_HEAD

    def left(self, column: int) -> float:
        return 0.1 + column * (_SIDE + _GAP) + (0.25 if self.both and column >= self.each else 0)


def _look() -> _Look:
    width = page().width
    if width is None:
        return _Look(EACH, True, _TEXT, 0.2 + 2 * EACH * (_SIDE + _GAP) + 0.25)
    both = width >= 0.45 + 8 * (_SIDE + _GAP)
    each = int((width - 0.2 - 0.25 * both) / (_SIDE + _GAP) / (1 + both))
    look = _Look(min(each, EACH), both, _PRINTED_TEXT, width)
    return replace(look, rows=min(METHODS, int((HIGHEST - _HEAD) / look.line) // (1 if both else 2)))


def _chosen(arrays: dict[str, Any], each: int) -> list[tuple[Floats, NDArray[np.int64]]]:
    """For each kind: the scores of all samples, and the places among the thumbnails of the most suspicious ones."""
    score = np.asarray(arrays.get("own_score", arrays["given_probability_mean"]), dtype=np.float64)
    shown = np.asarray(arrays["thumbnail_rows"], dtype=np.int64)
    order = np.argsort(score[shown], kind="stable")
    by_kind = [(score, order[:each])]
    if (true := arrays.get("true")) is not None:
        clean = (arrays["given"] == true)[shown]
        by_kind.append((score, order[clean[order]][:each]))
    return by_kind


def _draw(rows: list[_Row], look: _Look) -> Figure:
    """All images stand in one pair of axes whose unit is an inch: far quicker than one for each."""
    known = any("true" in row.arrays for row in rows)
    lines = len(rows) * (1 if look.both else 1 + known)
    head = _HEAD if look.both else 0.08
    height = head + lines * look.line
    figure = Figure(figsize=(look.width, height))
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.axis("off")
    for kind, text in enumerate(KINDS[: 1 + known] if look.both else ()):
        axis.text(look.left(kind * look.each), height - 0.06, text, va="top", fontsize=8.5)
    top = height - head
    for row in rows:
        for kind, (score, places) in enumerate(_chosen(row.arrays, look.each)):
            if kind == 0 or not look.both:
                title = row.title if look.both else f"{KINDS[kind]}: {row.title}"
                words = axis.text(look.left(0), top - 0.02, _head(title, look), va="top", fontsize=7)
                words.set_label(title)  # what is cut is told whole in the caption
            for column, place in enumerate(places, start=kind * look.each if look.both else 0):
                _image(axis, row.arrays["thumbnails"][place], look.left(column), top - _ROW_HEAD)
                _labels(axis, row, int(row.arrays["thumbnail_rows"][place]), score, look.left(column),
                        top - _ROW_HEAD - _SIDE)  # fmt: skip
            top -= 0 if look.both else look.line
        top -= look.line if look.both else 0
    axis.set(xlim=(0, look.width), ylim=(0, height))
    return figure


def _head(title: str, look: _Look) -> str:
    return fitted(title, look.width - 0.2, 7) if page().printed else title


def _data(rows: list[_Row], look: _Look) -> pd.DataFrame:
    """The images that are shown: their index among the training images, labels, and scores."""
    samples = []
    for row in rows:
        for kind, (score, places) in zip(KINDS, _chosen(row.arrays, look.each), strict=False):
            for place in places:
                sample = int(row.arrays["thumbnail_rows"][place])
                given, true = row.labels(sample)
                samples.append((row.method, row.title, kind, sample, row.name(given),
                                None if true is None else row.name(true), round(float(score[sample]), 6)))  # fmt: skip
    names = ["method", "row", "kind", "sample", "given_label", "true_label", "score"]
    return pd.DataFrame(samples, columns=names)


def _image(axis: Axes, pixels: NDArray[np.uint8], left: float, top: float) -> None:
    gray = pixels.shape[-1] == 1
    extent = (left, left + _SIDE, top - _SIDE, top)
    axis.imshow(pixels[..., 0] if gray else pixels, cmap="gray" if gray else None, vmin=0, vmax=int(pixels.max()) or 1,
                extent=extent, aspect="auto")  # fmt: skip


def _labels(axis: Axes, row: _Row, sample: int, score: Floats, left: float, top: float) -> None:
    given, true = row.labels(sample)
    wrong = true is not None and true != given
    color = INK if true is None else WRONG if wrong else CLEAN
    number = f"{score[sample]:.2f}"
    below = [f"is {row.name(true)}"] if wrong and true is not None else []
    lines = [row.name(given), *below, number] if page().printed else [row.name(given), "  ".join([*below, number])]
    step = 0.12 if page().printed else 0.1
    for place, text in enumerate(lines):
        axis.text(left + _SIDE / 2, top - 0.03 - place * step, fitted(text, _SIDE + _GAP - 0.03, points(5.5)),
                  ha="center", va="top", fontsize=points(5.5), color=color if place == 0 else INK)  # fmt: skip
