"""Mean ranks over settings: the critical-difference diagram, and a plot of a line each."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.figure_looks import styles_of
from reports.figure_page import HIGHEST, page
from reports.figure_panels import panels
from reports.figure_style import INK, Drawn
from reports.figure_texts import inches, labels_of
from results.aggregate import RULES
from results.ranks import CriticalDifference

_LEAST = 1.1
"""Inches of the printed axis of ranks between names on both sides."""
_MARGIN, _LINE = 0.12, 0.105
ROWS = 40
"""Methods of one plot of mean ranks."""


def critical_difference(name: str, ranking: CriticalDifference, rule: str, left_out: str = "") -> Drawn:
    """Mean ranks on a line; a bar joins methods that Nemenyi's test does not separate.

    left_out: a sentence for the caption on who is not ranked, and why. In a column of print that is too narrow for
    names on both sides all stand on the left.
    """
    labels = labels_of(ranking.titles, share=0.45)
    room, width, lines = _room(ranking)
    axis = _axis(ranking, width, room, room if lines < len(ranking.ranks) else _MARGIN, lines)
    _names(axis, ranking, labels, lines)
    caption = f"{_tested(ranking, rule)} Bars join methods nearer than the critical distance (Nemenyi, level 0.05)."
    caption = " ".join(filter(None, (caption, left_out)))
    figure = axis.get_figure()
    assert isinstance(figure, Figure)
    return Drawn(name, "Critical-difference diagram", caption, figure, _data(ranking))


def mean_ranks(name: str, ranking: CriticalDifference, rule: str, left_out: str = "", first: int = 0) -> Drawn:
    """Mean ranks, a line each, the best first; bars of half the critical distance to both sides.

    first: of so many methods (ROWS) as one figure shows.
    """
    looks, every, half = styles_of(tuple(ranking.ranks)), labels_of(ranking.titles, share=0.45), ranking.distance / 2
    shown = dict(list(ranking.ranks.items())[first : first + ROWS])
    labels, count = {method: every[method] for method in shown}, len(shown)
    drawn = panels([""], x="mean rank (1 is best)", width=4.2, height=0.2 + 0.15 * count, of_rows=True,
                   left=0.2 + max(inches(label, 7) for label in labels.values()))  # fmt: skip
    (axis,) = drawn.axes
    for row, (method, rank) in enumerate(shown.items()):
        axis.errorbar(rank, row, xerr=half, color=looks[method].color, marker="o", markersize=4, elinewidth=0.9,
                      capsize=2, linestyle="")  # fmt: skip
    axis.axvline(min(ranking.ranks.values()) + half, color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
    axis.set_ylim(count - 0.4, -0.6)
    axis.set_yticks(range(count), list(labels.values()))
    axis.xaxis.set_major_locator(MaxNLocator(5))
    caption = (
        f"{_tested(ranking, rule)} Two methods whose bars do not overlap lie farther apart than the critical distance "
        "(Nemenyi, level 0.05); dashed: the end of the best one's bar."
    )
    caption = " ".join(filter(None, (caption, left_out)))
    data = _data(ranking)
    return Drawn(name, "Mean ranks", caption, drawn.figure, data[data["method"].isin(list(shown))])


def _data(ranking: CriticalDifference) -> pd.DataFrame:
    rows = [(method, ranking.titles[method], rank) for method, rank in ranking.ranks.items()]
    table = pd.DataFrame(rows, columns=["method", "title", "mean_rank"]).round(6)
    return table.assign(critical_distance=round(ranking.distance, 6), settings=ranking.settings, friedman_p=ranking.p)


def _tested(ranking: CriticalDifference, rule: str) -> str:
    tested = "all equal" if ranking.all_equal else f"Friedman's test p = {ranking.p:.2g}"
    return (
        f"Mean ranks (1 is best) of the cells' means over {ranking.settings} settings, {RULES[rule].title}; {tested}."
    )


def _room(ranking: CriticalDifference) -> tuple[float, float, int]:
    """Inches of the names and of the figure, and the lines of names on the left: of half of them, or of all."""
    labels = labels_of(ranking.titles, share=0.45)
    room = 0.2 + max(inches(f"{label} (00.00)", 7.5) for label in labels.values())
    width = page().width or max(7.0, 2 * room + 2.4)
    return room, width, math.ceil(len(ranking.ranks) / 2) if 2 * room + _LEAST <= width else len(ranking.ranks)


def _axis(ranking: CriticalDifference, width: float, left: float, right: float, lines: int) -> Axes:
    """The axis of ranks in a new figure, with numbers, the critical distance, and the bars of groups. Sizes: inches."""
    low, high = 1.0, float(max(math.ceil(max(ranking.ranks.values())), 2))
    height = _height(ranking, lines)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    across = 1 - (left + right) / width
    axis = figure.add_axes((left / width, 0.02, across, 0.82))
    axis.set(xlim=(low - 0.1, high + 0.1), ylim=(-(lines + 1) - 0.5 * len(ranking.groups), 1.2))
    axis.axis("off")
    axis.plot([low, high], [0, 0], color=INK, linewidth=1)
    for rank in np.arange(low, high + 1):
        axis.plot([rank, rank], [0, 0.25], color=INK, linewidth=0.7)
    for rank in _numbered(low, high, across * width):
        axis.text(rank, 0.35, f"{rank:g}", ha="center", va="bottom", fontsize=7)
    _distance(axis, low, high, ranking.distance, left)
    for order, group in enumerate(ranking.groups):
        ends = [ranking.ranks[group[0]] - 0.04, ranking.ranks[group[-1]] + 0.04]
        axis.plot(ends, [-0.35 - 0.5 * order] * 2, color=INK, linewidth=3, solid_capstyle="butt")
    return axis


def _height(ranking: CriticalDifference, lines: int) -> float:
    """Inches: a fifth for each line of names, in print less where they would be higher than a page."""
    height = 0.75 + 0.2 * lines + 0.1 * len(ranking.groups)
    return min(height, HIGHEST) if page().printed else height


def fits_a_page(ranking: CriticalDifference) -> bool:
    """Whether the names of a printed critical-difference diagram have room below each other."""
    return _LINE * (_room(ranking)[2] + 3 + 0.5 * len(ranking.groups)) < HIGHEST


def _names(axis: Axes, ranking: CriticalDifference, labels: dict[str, str], half: int) -> None:
    """The methods beside the axis, each with a line to its rank: the first `half` on the left."""
    low, high = 1.0, float(max(math.ceil(max(ranking.ranks.values())), 2))
    start = -0.35 - 0.5 * len(ranking.groups)
    beside = 0.015 * (high - low)
    for position, (method, rank) in enumerate(ranking.ranks.items()):
        title, left = labels[method], position < half
        y = start - (position + 0.5 if left else len(ranking.ranks) - position - 0.5)
        edge = low - beside if left else high + beside
        axis.plot([rank, rank, edge], [0, y, y], color=INK, linewidth=0.7, clip_on=False)
        axis.text(edge, y, f"{title} ({rank:.2f}) " if left else f" ({rank:.2f}) {title}",
                  ha="right" if left else "left", va="center", fontsize=7.5)  # fmt: skip


def _numbered(low: float, high: float, room: float) -> list[float]:
    """The ranks at which numbers stand on an axis of so many inches: all where there is room, else every few."""
    most = room / (inches(f"{high:g}", 7) + 0.08)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if (high - low) / step <= most)
    return [low, *(rank for rank in np.arange(low, high + 1) if rank % step == 0 and rank >= low + step)]


def _distance(axis: Axes, low: float, high: float, distance: float, left: float) -> None:
    """The critical distance as a bar above the ranks, its words on the side that has room."""
    axis.plot([low, low + distance], [1.15, 1.15], color=INK, linewidth=2, clip_on=False)
    words = f"critical distance {distance:.2f}"
    if page().printed and left > inches(words, 7) + 0.2:
        axis.annotate(words, (low, 1.15), (-6, 0), textcoords="offset points", ha="right", va="center", fontsize=7)
    elif low + distance > low + 0.6 * (high - low):
        axis.text(low, 1.3, words, va="bottom", fontsize=7)
    else:
        axis.text(low + distance, 1.15, f"  {words}", va="center", fontsize=7)
