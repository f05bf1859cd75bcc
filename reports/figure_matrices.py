"""Matrices of classes: injected against predicted labels, and confusion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figure_page import page, points
from reports.figure_panels import Wanted, columns_of, panels, small
from reports.figure_selection import without_clean_rows
from reports.figure_style import Drawn
from reports.figure_texts import inches, labels_of
from reports.gather import Section

Matrix = NDArray[np.float64]

MOST = 36
"""Matrices in one figure."""
_NORM = PowerNorm(0.5, 0, 1)
NAMED = 20
"""Classes up to which their names are written."""
_TICKS = 5.5  # points of a class's name


def mean_of(section: Section, place: tuple[str, str], method: str | None, part: str, key: str) -> Matrix | None:
    """Mean over the cell's runs of a matrix or vector of the records, rows of counts normalised."""
    tables = []
    runs = section.done(*place, method)
    runs = runs if method is not None else runs[~runs["row"].isin(section.clean_rows)]
    for address in runs["address"]:
        record: Mapping[str, Any] = section.material.records[address]
        values = record[part].get(key)
        if values is not None:
            table = np.array(values, dtype=np.float64)
            tables.append(table / np.maximum(table.sum(1, keepdims=True), 1) if key == "confusion" else table)
    shapes = {table.shape for table in tables}
    return np.mean(tables, axis=0) if len(shapes) == 1 else None


def class_names(section: Section, place: tuple[str, str]) -> list[str]:
    first = section.done(*place)["address"].iloc[0]
    data = section.material.records[first].get("data", {})
    return [str(name) for name in data.get("class_names", [])]


def transitions(section: Section) -> Drawn | None:
    """The injected noise beside how each method predicts the training images, by true class."""
    caption = (
        f"Rows: true class; columns: given label (injected{without_clean_rows(section)}) or prediction on the training "
        "images at the last epoch. A method that memorises repeats the injected matrix; one that corrects the labels "
        "shows a diagonal. Mean over seeds; the colour scale is that of a square root."
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
    shown = _shown(section, part, key, injected)
    if all(each.matrix is None for each in shown):
        return None
    named = [each.names for each in shown if len(each.names) <= NAMED]
    room = room_of([name for names in named for name in names], _TICKS)
    how: dict[str, Any] = {
        "width": 1.25,
        "height": 1.25,
        "tight": True,
        "left": room,
        "right": 0.55,
        "bottom": room,
        "least": 0.8,
    }
    used = len({each.method for each in shown})
    columns = columns_of(used, Wanted(most=6, **how), 0.12) if page().printed else _even(used, 6)
    spread: list[_Shown | None] = []
    for _, group in itertools.groupby(shown, lambda each: each.place):
        spread += group
        spread += [None] * (-len(spread) % columns)
    titles = [each.title if each else "" for each in spread]
    drawn = panels(titles, most=columns, rigid=True, tall_titles=True, **how)
    image = None
    for position, (axis, each) in enumerate(zip(drawn.axes, spread, strict=True)):
        small(axis)
        if each is None or each.matrix is None:
            axis.axis("off")
            axis.text(0.5, 0.5, "no run" if each else "", ha="center", va="center", fontsize=7)
            continue
        image = axis.imshow(each.matrix, norm=_NORM, cmap="cividis", aspect="auto", rasterized=True)
        axis.grid(False)
        below = position + drawn.columns >= len(spread)
        _class_ticks(axis, each.names, left=position % drawn.columns == 0, below=below)
    _color_bar(drawn.figure, image)
    return Drawn(f"{section.name}-{name}", title, caption, drawn.figure, _data(section, shown))


def _even(count: int, most: int) -> int:
    """So many in a row, at most, that the rows are equally long."""
    return math.ceil(count / math.ceil(count / most))


@dataclass(frozen=True)
class _Shown:
    """A matrix of a figure; method: "" of the injected noise."""

    place: tuple[str, str]
    method: str
    title: str
    matrix: Matrix | None
    names: list[str]


def _shown(section: Section, part: str, key: str, injected: bool) -> list[_Shown]:
    """The matrices of all settings, as many as a figure may hold."""
    methods = [method for method in section.methods if method in set(section.frame["row"])]
    used, labels = len(methods) + injected, labels_of(section.methods, 26)
    padded = used if page().printed else used + -used % _even(used, 6)
    shown: list[_Shown] = []
    taken = 0
    for place in section.places:
        if section.done(*place).empty or taken + used > max(MOST, used):
            continue
        heading, names = section.place_title(*place), class_names(section, place)
        if injected:
            matrix = mean_of(section, place, None, "noise", "matrix")
            shown.append(_Shown(place, "", f"{heading}\ninjected", matrix, names))
        for method in methods:
            matrix = mean_of(section, place, method, part, key)
            shown.append(_Shown(place, method, f"{heading}\n{labels[method]}", matrix, names))
        taken += padded
    return shown


def _data(section: Section, shown: Sequence[_Shown]) -> pd.DataFrame:
    """A line for each true class; the share of each class that it is given or predicted as has a column."""
    parts = []
    for each in (each for each in shown if each.matrix is not None):
        assert each.matrix is not None
        names = each.names if len(each.names) == len(each.matrix) else list(map(str, range(len(each.matrix))))
        columns = [f"share_{number}" for number in range(each.matrix.shape[1])]
        first = {
            "dataset": each.place[0], "setting": each.place[1], "method": each.method,
            "title": section.methods.get(each.method, "injected"), "true_class": names,
        }  # fmt: skip
        table = pd.DataFrame(each.matrix.round(3), columns=columns)
        parts.append(pd.concat([pd.DataFrame(first), table], axis=1))
    return pd.concat(parts, ignore_index=True)


def room_of(names: Sequence[str], size: float) -> float:
    """Inches that the longest of the names takes up beside a panel, at a size in points."""
    return 0.14 + 1.08 * max((inches(name, points(size)) for name in names), default=0.0)


def _class_ticks(axis: Axes, names: Sequence[str], left: bool, below: bool) -> None:
    named = 0 < len(names) <= NAMED
    axis.tick_params(length=0, pad=1, labelsize=points(_TICKS))
    step = _step(axis, len(names))
    if named and below:
        axis.set_xticks(range(0, len(names), step), names[::step], rotation=90)
    else:
        axis.xaxis.set_visible(False)
    if named and left:
        axis.set_yticks(range(0, len(names), step), names[::step])
    else:
        axis.yaxis.set_visible(False)


def _step(axis: Axes, count: int) -> int:
    """Of how many classes one is named: of all on a screen, in print of as many as have room in a square panel."""
    figure = axis.get_figure()
    if not page().printed or not isinstance(figure, Figure) or not count:
        return 1
    room = 72 * min(
        axis.get_position().width * figure.get_figwidth(), axis.get_position().height * figure.get_figheight()
    )
    return max(1, math.ceil(1.25 * points(_TICKS) * count / room))


def _color_bar(figure: Figure, image: Any) -> None:
    place = figure.axes[0].get_position()
    bar = figure.add_axes((1 - 0.42 / figure.get_figwidth(), place.y0, 0.09 / figure.get_figwidth(), place.height))
    figure.colorbar(image, cax=bar, ticks=[0, 0.1, 0.5, 1])
    bar.tick_params(labelsize=points(6), length=2)
