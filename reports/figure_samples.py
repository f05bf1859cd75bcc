"""A grid of images with given label, true label and score: the most suspicious and the most wrongly suspected."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figure_detection import Scores
from reports.figure_style import CLEAN, INK, WRONG, Drawn
from reports.gather import Section
from reports.names import fit

EACH = 6
"""Images of each kind in a row."""
METHODS = 6
_SIDE, _GAP, _TEXT = 0.62, 0.1, 0.3
_HEAD, _ROW_HEAD = 0.3, 0.2


def sample_grids(section: Section, scores: Scores) -> list[Drawn]:
    """One figure for each data set that has thumbnails, in its first noisy setting: a row for each of some methods."""
    drawn = []
    for dataset in section.datasets:
        place = scores.noisy_place(dataset)
        rows = _rows(section, scores, place) if place else []
        if place and rows:
            name = f"{section.name}-samples" + ("" if len(section.datasets) == 1 else f"-{fit(dataset)}")
            heading = f"{section.dataset_title(dataset)}, {place[1]}"
            caption = (
                f"Training images of {heading}: left the {EACH} most suspicious; right, where the true labels are "
                f"known, the {EACH} most suspicious of the correctly labelled. Under each image: given label (red "
                "where it is wrong), true label where it differs, and the score by which a method holds the label to "
                "be right."
            )
            drawn.append(Drawn(name, f"Suspicious labels of {heading}", caption, _draw(rows)))
    return drawn


def _rows(section: Section, scores: Scores, place: tuple[str, str]) -> list[tuple[str, dict[str, Any], list[str]]]:
    rows: list[tuple[str, dict[str, Any], list[str]]] = []
    for method, title in section.methods.items():
        found = section.done(*place, method)
        if found.empty or len(rows) == METHODS:
            continue
        arrays = scores.of(str(found["address"].iloc[0]))
        if arrays is not None and {"thumbnails", "thumbnail_rows"} <= arrays.keys() and len(arrays["thumbnails"]):
            record = section.material.records[str(found["address"].iloc[0])]
            names = [str(name) for name in record.get("data", {}).get("class_names", [])]
            own = "own score" if "own_score" in arrays else "p of given label"
            rows.append((f"{title} ({own}, seed {found['seed'].iloc[0]})", arrays, names))
    return rows


def _draw(rows: list[tuple[str, dict[str, Any], list[str]]]) -> Figure:
    """All images stand in one pair of axes whose unit is an inch: far quicker than one for each."""
    width = 0.2 + 2 * EACH * (_SIDE + _GAP) + 0.25
    height = _HEAD + len(rows) * (_SIDE + _TEXT + _ROW_HEAD)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.axis("off")
    known = any("true" in arrays for _, arrays, _ in rows)
    for kind, text in enumerate(("most suspicious", "most wrongly suspected")[: 1 + known]):
        axis.text(_left(kind * EACH), height - 0.06, text, va="top", fontsize=8.5)
    for number, (title, arrays, names) in enumerate(rows):
        top = height - _HEAD - number * (_SIDE + _TEXT + _ROW_HEAD)
        axis.text(_left(0), top - 0.02, title, va="top", fontsize=7)
        score = np.asarray(arrays.get("own_score", arrays["given_probability_mean"]), dtype=np.float64)
        shown = np.asarray(arrays["thumbnail_rows"], dtype=np.int64)
        order = np.argsort(score[shown], kind="stable")
        true = arrays.get("true")
        clean = (arrays["given"] == true)[shown] if true is not None else np.zeros(len(shown), dtype=bool)
        for first, chosen in ((0, order[:EACH]), (EACH, order[clean[order]][:EACH])):
            for column, position in enumerate(chosen, start=first):
                row = shown[position]
                _image(axis, arrays["thumbnails"][position], _left(column), top - _ROW_HEAD)
                labels = int(arrays["given"][row]), None if true is None else int(true[row])
                _labels(axis, labels, float(score[row]), names, _left(column), top - _ROW_HEAD - _SIDE)
    axis.set(xlim=(0, width), ylim=(0, height))
    return figure


def _left(column: int) -> float:
    return 0.1 + column * (_SIDE + _GAP) + (0.25 if column >= EACH else 0)


def _image(axis: Axes, pixels: NDArray[np.uint8], left: float, top: float) -> None:
    gray = pixels.shape[-1] == 1
    extent = (left, left + _SIDE, top - _SIDE, top)
    axis.imshow(pixels[..., 0] if gray else pixels, cmap="gray" if gray else None, vmin=0, vmax=int(pixels.max()) or 1,
                extent=extent, aspect="auto")  # fmt: skip


def _labels(
    axis: Axes, labels: tuple[int, int | None], score: float, names: list[str], left: float, top: float
) -> None:
    given, true = labels

    def name(label: int) -> str:
        return (names[label] if label < len(names) else str(label)).replace("_", " ")[:13]

    color = INK if true is None else CLEAN if given == true else WRONG
    below = f"{score:.2f}" if true is None or true == given else f"is {name(true)}  {score:.2f}"
    for text, ink, offset in ((name(given), color, 0.03), (below, INK, 0.13)):
        axis.text(left + _SIDE / 2, top - offset, text, ha="center", va="top", fontsize=5.5, color=ink)
