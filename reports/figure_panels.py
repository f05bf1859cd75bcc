"""Panels of one size in a figure, with a legend: as large as they are wanted, or as a printed width allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reports.figure_page import page
from reports.figure_texts import fitted, inches, wrapped

TITLE, LEGEND = 8.5, 7.5
"""Points of text."""
_PAGE = 7.0  # inches
_KEY = 0.55  # inches of a legend's entry beside its text
_MANY = 12  # methods from which on a figure takes the width of a page
_PRINTED_TITLE, _LINE = 7.5, 0.13  # points, and inches of a line of it
_GROWTH = 1.5  # a printed panel is at most that much larger than it is wanted


@dataclass(frozen=True)
class Panels:
    """A figure of equal panels, row by row, with room for one legend under them (sizes in inches)."""

    figure: Figure
    axes: tuple[Axes, ...]
    columns: int

    def legend(self, handles: Sequence[Any]) -> None:
        """One legend under all panels."""
        columns = _across(self.figure.get_figwidth(), [str(entry.get_label()) for entry in handles])
        self.figure.legend(handles=handles, loc="lower center", ncols=columns, borderaxespad=0.2, handlelength=2.6,
                           columnspacing=1.2)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """How panels are wanted, in inches.

    width, height: of a panel. most: in a row. share_y, share_x: ticks and labels stand at the left and lower border
    only. tall_titles: of two lines. rigid: exactly `most` in a row, in print a divisor of it. tight: no axes are
    shared, and only titles stand between the panels. left, right, bottom: margins, the legend apart. of_rows: the
    height is that of rows of text, which a printed width does not change. least: width of a printed panel.
    """

    width: float = 2.2
    height: float = 1.75
    most: int = 4
    share_y: bool = True
    share_x: bool = True
    tall_titles: bool = False
    rigid: bool = False
    tight: bool = False
    left: float = 0.62
    right: float = 0.14
    bottom: float = 0.42
    of_rows: bool = False
    least: float = 1.05


@dataclass(frozen=True)
class _Grid:
    """Where panels stand, in inches. titles: as they have room; size: of their text in points."""

    columns: int
    width: float
    height: float
    gap_x: float
    gap_y: float
    left: float
    top: float
    bottom: float
    total: float
    titles: tuple[str, ...]
    size: float

    @property
    def high(self) -> float:
        rows = math.ceil(len(self.titles) / self.columns)
        return self.top + self.bottom + rows * self.height + (rows - 1) * self.gap_y


def panels(titles: Sequence[str], *, x: str = "", y: str = "", entries: Sequence[str] = (), **wanted: Any) -> Panels:
    """Panels with a title each; `entries` are the labels of the legend to come, `wanted` the fields of `Wanted`.

    On a screen many entries widen the panels to the width of a page, as lines and legend need the room.
    """
    how = Wanted(**wanted)
    grid = _printed(titles, how, entries) if page().printed else _shown(titles, how, entries)
    figure = Figure(figsize=(grid.total, grid.high))
    FigureCanvasAgg(figure)
    axes: list[Axes] = []
    one_label = page().printed and how.share_y and len(titles) > grid.columns  # panels are lower than a label is long
    for position, (title, fits) in enumerate(zip(titles, grid.titles, strict=True)):
        axis = _placed(figure, grid, how, position, axes[0] if axes and not how.tight else None)
        axis.set_title(fits, fontsize=grid.size)
        axis.title.set_label(title)  # what is cut is told whole in the caption
        lowest, first = position + grid.columns >= len(titles), position % grid.columns == 0
        axis.tick_params(labelbottom=lowest or not how.share_x, labelleft=first or not how.share_y)
        if lowest:
            axis.set_xlabel(x)
        if first and not one_label:
            axis.set_ylabel(y)
        axes.append(axis)
    if one_label:
        middle = (grid.bottom + (grid.high - grid.top - grid.bottom) / 2) / grid.high
        figure.text(0.04 / grid.total, middle, y, rotation=90, ha="left", va="center", fontsize=8)
    return Panels(figure, tuple(axes), grid.columns)


def _placed(figure: Figure, grid: _Grid, how: Wanted, position: int, first: Axes | None) -> Axes:
    """The axes of a panel; first: those whose limits it may share (matrices that shared axes would share ticks)."""
    row, column = divmod(position, grid.columns)
    corner = (
        grid.left + column * (grid.width + grid.gap_x),
        grid.high - grid.top - grid.height - row * (grid.height + grid.gap_y),
    )
    return figure.add_axes(
        (corner[0] / grid.total, corner[1] / grid.high, grid.width / grid.total, grid.height / grid.high),
        sharex=first if how.share_x else None, sharey=first if how.share_y else None,
    )  # fmt: skip


def _under(how: Wanted, total: float, entries: Sequence[str]) -> float:
    """The margin under the panels, with the legend."""
    return how.bottom + (0.16 * math.ceil(len(entries) / _across(total, entries)) + 0.06 if entries else 0)


def _shown(titles: Sequence[str], how: Wanted, entries: Sequence[str]) -> _Grid:
    columns = min(how.most, len(titles)) if how.rigid else math.ceil(len(titles) / math.ceil(len(titles) / how.most))
    width, height, top = how.width, how.height, 0.27
    gap_x, gap_y = 0.2 if how.share_y else 0.5, 0.36 if how.share_x else 0.55
    if how.tight:
        gap_x, gap_y = 0.12, 0.26
    if how.tall_titles:
        top, gap_y = top + 0.13, gap_y + (0.13 if how.share_x or how.tight else 0.27)
    if len(entries) > _MANY:
        factor = max(1.0, (_PAGE - how.left - how.right - (columns - 1) * gap_x) / (columns * width))
        width, height = factor * width, min(factor, 2.0) * height
    total = max(how.left + how.right + columns * width + (columns - 1) * gap_x, 3.4)
    room = width + gap_x - 0.08 if columns > 1 else total - how.left
    fits = tuple(fitted(title, room, TITLE) for title in titles)
    bottom = _under(how, total, entries)
    return _Grid(columns, width, height, gap_x, gap_y, how.left, top, bottom, total, fits, TITLE)


def _printed(titles: Sequence[str], how: Wanted, entries: Sequence[str]) -> _Grid:
    """As many panels side by side as the width has room for; their titles in as many lines as they need."""
    total = page().width or 0.0
    gap_x = 0.12 if how.tight else 0.2 if how.share_y else 0.5
    columns = columns_of(len(titles), how, gap_x)
    room = (total - how.left - how.right - (columns - 1) * gap_x) / columns
    width = min(room, _GROWTH * how.width)
    height = how.height if how.of_rows else how.height * width / how.width
    free = total - how.left - how.right - columns * width - (columns - 1) * gap_x
    beside = min([how.left + free / 2, how.right + free / 2, *([gap_x / 2] if columns > 1 else [])])
    fits = tuple(wrapped(title, width + 2 * beside - 0.04, _PRINTED_TITLE) for title in titles)
    lines = max((title.count("\n") + 1 if title else 0 for title in fits), default=0)
    gap_y = (0.08 if how.tight else 0.16 if how.share_x else 0.4) + _LINE * lines
    return _Grid(columns, width, height, gap_x, gap_y, how.left + free / 2, 0.1 + _LINE * lines,
                 _under(how, total, entries), total, fits, _PRINTED_TITLE)  # fmt: skip


def columns_of(count: int, how: Wanted, gap: float) -> int:
    """Printed panels side by side: as many as are not narrower than the least width."""
    within = (page().width or 0.0) - how.left - how.right
    most = how.most if how.rigid else min(how.most, count)
    tried = [number for number in range(most, 0, -1) if not how.rigid or most % number == 0]
    columns = next((number for number in tried if (within - (number - 1) * gap) / number >= how.least), 1)
    return columns if how.rigid else math.ceil(count / math.ceil(count / columns))


def small(axis: Axes, size: float = 6.8) -> None:
    """Set the title of a panel that is narrow in a smaller size, as much of it as has room then; not in print."""
    if page().printed:
        return
    figure = axis.get_figure()
    assert isinstance(figure, Figure)
    room = axis.get_position().width * figure.get_figwidth() + 0.1
    axis.set_title(fitted(str(axis.title.get_label()), room, size), fontsize=size)


def _across(width: float, entries: Sequence[str]) -> int:
    """Entries of a legend that stand side by side in `width` inches."""
    longest = max((inches(entry, LEGEND) for entry in entries), default=0.0)
    most = max(1, int((width - 0.1) / (_KEY + longest)))
    return math.ceil(len(entries) / max(1, math.ceil(len(entries) / most)))
