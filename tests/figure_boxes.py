"""What a reader would stumble over in a figure: texts that overlap or are cut, rows that look alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from reports.figure_style import Drawn

_FINE = 3
"""Pixels to a point: coarser, letters are moved to whole pixels, and wider than on paper."""
_TOUCH = 1.0
"""Points by which two boxes may overlap: a box is higher than the letters in it."""


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Each text that is drawn, with its box in points of the figure."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    figure.set_dpi(72 * _FINE)
    canvas.draw()
    renderer = canvas.get_renderer()
    left_out = {id(text) for axis in figure.axes for text in _not_drawn(axis)}
    return [
        (text.get_text(), Bbox(np.asarray(text.get_window_extent(renderer).get_points()) / _FINE))
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text().strip() and text.get_visible() and id(text) not in left_out
    ]  # fmt: skip


def _not_drawn(axis: Axes) -> Iterator[Text]:
    """Texts of ticks that lie outside the axis, or of axes that are off."""
    for one in (axis.xaxis, axis.yaxis):
        drawn = one._update_ticks() if axis.get_visible() and axis.axison and one.get_visible() else []
        shown = {id(label) for tick in drawn for label in (tick.label1, tick.label2)}
        yield from (text for text in one.findobj(Text) if isinstance(text, Text) and id(text) not in shown
                    and not (drawn and text is one.label))  # fmt: skip


def faults(figure: Figure) -> list[str]:
    """A line for each pair of texts that overlap and each text that is cut; empty where all can be read."""
    found = boxes(figure)
    width, height = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    told = [
        f"cut: {text!r}" for text, box in found
        if box.x0 < -_TOUCH or box.y0 < -_TOUCH or box.x1 > width + _TOUCH or box.y1 > height + _TOUCH
    ]  # fmt: skip
    for (first, a), (second, b) in itertools.combinations(found, 2):
        across, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > _TOUCH and high > _TOUCH + 0.12 * min(a.height, b.height):
            told.append(f"overlap: {first!r} and {second!r} ({across:.1f} x {high:.1f})")
    return told


def tell_rows_apart(drawn: Drawn) -> None:
    """No two entries of a legend have one label, nor one colour with one dash, marker and filling."""
    for legend in drawn.figure.legends:
        lines = [line for line in legend.get_lines() if str(line.get_label())]
        labels = [text.get_text() for text in legend.get_texts()]
        assert len(set(labels)) == len(labels)
        looks = [(line.get_color(), str(line.get_linestyle()), str(line._dash_pattern), line.get_marker(),  # type: ignore[attr-defined]
                  line.get_fillstyle(), str(line.get_markerfacecolor())) for line in lines]  # fmt: skip
        assert len(set(looks)) == len(looks), drawn.name
