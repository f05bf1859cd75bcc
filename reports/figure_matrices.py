"""Figures of classes: injected against predicted transition matrix, confusion, accuracy of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figure_style import Drawn, panels
from reports.gather import Section

Matrix = NDArray[np.float64]

MOST = 36
"""Matrices in one figure."""
_NORM = PowerNorm(0.5, 0, 1)
_NAMED = 20
"""Classes up to which their names are written."""


def _mean(section: Section, place: tuple[str, str], method: str | None, part: str, key: str) -> Matrix | None:
    """Mean over the cell's runs of a matrix or vector of the records, rows of counts normalised."""
    found = []
    for address in section.done(*place, method)["address"]:
        record: Mapping[str, Any] = section.material.records[address]
        values = record[part].get(key)
        if values is not None:
            table = np.array(values, dtype=np.float64)
            found.append(table / np.maximum(table.sum(1, keepdims=True), 1) if key == "confusion" else table)
    shapes = {table.shape for table in found}
    return np.mean(found, axis=0) if len(shapes) == 1 else None


def _class_names(section: Section, place: tuple[str, str]) -> list[str]:
    first = section.done(*place)["address"].iloc[0]
    data = section.material.records[first].get("data", {})
    return [str(name) for name in data.get("class_names", [])]


def transitions(section: Section) -> Drawn | None:
    """The injected noise beside how each method predicts the training images, by true class."""
    caption = (
        "Rows: true class; columns: given label (injected) or prediction on the training images at the last epoch. A "
        "method that memorises repeats the injected matrix; one that corrects the labels shows a diagonal. Mean over "
        "seeds; the colour scale is that of a square root."
    )
    title = "Injected against predicted labels"
    return _matrices(section, "transitions", title, caption, "final", "predicted_matrix", injected=True)


def confusion(section: Section) -> Drawn | None:
    """Confusion on the test set by method."""
    caption = (
        "Confusion on the test set at the last epoch. Rows: true class, columns: predicted class, share of the row. "
        "Mean over seeds; the colour scale is that of a square root."
    )
    return _matrices(section, "confusion", "Confusion on the test set", caption, "final", "confusion")


def _matrices(
    section: Section, name: str, title: str, caption: str, part: str, key: str, injected: bool = False
) -> Drawn | None:
    methods = [method for method in section.methods if method in set(section.frame["row"])]
    used = len(methods) + injected
    columns = math.ceil(used / math.ceil(used / 6))
    empty = -used % columns
    shown: list[tuple[str, Matrix | None, list[str]]] = []
    for place in section.places:
        heading = section.place_title(*place)
        if section.done(*place).empty or len(shown) + used > max(MOST, used):
            continue
        names = _class_names(section, place)
        if injected:
            shown.append((f"{heading}\ninjected", _mean(section, place, None, "noise", "matrix"), names))
        for method in methods:
            matrix = _mean(section, place, method, part, key)
            shown.append((f"{heading}\n{_short(section.methods[method])}", matrix, names))
        shown += [("", None, names)] * empty
    if all(matrix is None for _, matrix, _ in shown):
        return None
    room = _room([name for _, _, names in shown for name in names if len(names) <= _NAMED], 0.047)
    drawn = panels([label for label, _, _ in shown], width=1.25, height=1.25, most=columns, rigid=True,
                   tall_titles=True, tight=True, right=0.55, left=room, bottom=room)  # fmt: skip
    image = None
    for position, (axis, (_, matrix, names)) in enumerate(zip(drawn.axes, shown, strict=True)):
        axis.set_title(axis.get_title(), fontsize=6.8)
        if matrix is None:
            axis.axis("off")
            axis.text(0.5, 0.5, "no run" if axis.get_title() else "", ha="center", va="center", fontsize=7)
            continue
        image = axis.imshow(matrix, norm=_NORM, cmap="cividis", aspect="auto", rasterized=True)
        axis.grid(False)
        _class_ticks(axis, names, left=position % drawn.columns == 0, below=position + drawn.columns >= len(shown))
    _color_bar(drawn.figure, image)
    return Drawn(f"{section.name}-{name}", title, caption, drawn.figure)


def _room(names: Sequence[str], letter: float) -> float:
    """Inches that the longest of the names takes up beside a panel."""
    return 0.12 + letter * max(map(len, names), default=0)


def _short(title: str, most: int = 26) -> str:
    return title if len(title) <= most else title[: most - 1].rstrip() + "…"


def _class_ticks(axis: Axes, names: Sequence[str], left: bool, below: bool) -> None:
    named = 0 < len(names) <= _NAMED
    axis.tick_params(length=0, pad=1, labelsize=5.5)
    if named and below:
        axis.set_xticks(range(len(names)), names, rotation=90)
    else:
        axis.xaxis.set_visible(False)
    if named and left:
        axis.set_yticks(range(len(names)), names)
    else:
        axis.yaxis.set_visible(False)


def _color_bar(figure: Figure, image: Any) -> None:
    place = figure.axes[0].get_position()
    bar = figure.add_axes((1 - 0.42 / figure.get_figwidth(), place.y0, 0.09 / figure.get_figwidth(), place.height))
    figure.colorbar(image, cax=bar, ticks=[0, 0.1, 0.5, 1])
    bar.tick_params(labelsize=6, length=2)


def class_accuracy(section: Section) -> Drawn | None:
    """Test accuracy of each class, a row a method, a panel a setting."""
    found = {
        (place, method): values
        for place in section.places for method in section.methods
        if (values := _mean(section, place, method, "final", "per_class_accuracy")) is not None
    }  # fmt: skip
    if not found:
        return None
    places = list(dict.fromkeys(place for place, _ in found))
    methods = [method for method in section.methods if any(key[1] == method for key in found)]
    titles = [_short(section.methods[method]) for method in methods]
    height = max(0.7, 0.17 * len(titles))
    named = [name for place in places for name in _class_names(section, place)]
    below = _room(named, 0.055) if len(named) <= _NAMED * len(places) else 0.3
    drawn = panels([section.place_title(*place) for place in places], width=3.1, height=height, most=2, tight=True,
                   share_x=False, left=_room(titles, 0.055), right=0.6, bottom=below)  # fmt: skip
    for position, (axis, place) in enumerate(zip(drawn.axes, places, strict=True)):
        names = _class_names(section, place)
        empty = np.full(len(names), np.nan)
        table = 100 * np.array([found.get((place, method), empty) for method in methods])
        lowest = position + drawn.columns >= len(places)
        labels = names if lowest and len(names) <= _NAMED else False
        sns.heatmap(table, ax=axis, vmin=0, vmax=100, cmap="cividis", cbar=False, annot=len(names) <= _NAMED, fmt=".0f",
                    annot_kws={"size": 5.5}, xticklabels=labels, yticklabels=titles, rasterized=True)  # fmt: skip
        axis.grid(False)
        axis.tick_params(length=0, pad=1, labelsize=6.5, labelleft=position % drawn.columns == 0)
        axis.tick_params(axis="x", rotation=90)
        axis.tick_params(axis="y", rotation=0)
        if lowest and not labels:
            axis.set_xlabel(f"{len(names)} classes")
    bar = drawn.figure.add_axes((1 - 0.45 / drawn.figure.get_figwidth(), drawn.axes[0].get_position().y0,
                                 0.09 / drawn.figure.get_figwidth(), drawn.axes[0].get_position().height))  # fmt: skip
    drawn.figure.colorbar(drawn.axes[0].collections[0], cax=bar, ticks=[0, 50, 100])
    bar.tick_params(labelsize=6, length=2)
    caption = "Test accuracy (%) of each class at the last epoch, mean over seeds."
    return Drawn(f"{section.name}-classes", "Accuracy of each class", caption, drawn.figure)
