"""The critical-difference diagram: which methods' mean ranks a test separates."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reports.figure_style import INK, Drawn
from results.aggregate import RULES
from results.statistics import CriticalDifference


def critical_difference(name: str, found: CriticalDifference, rule: str) -> Drawn:
    """Mean ranks on a line; a bar joins methods that Nemenyi's test does not separate."""
    low, high = 1.0, float(max(math.ceil(max(found.ranks.values())), 2))
    half = math.ceil(len(found.ranks) / 2)
    height = 0.75 + 0.2 * half + 0.1 * len(found.groups)
    figure = Figure(figsize=(7.0, height))
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0.3, 0.02, 0.4, 0.82))
    axis.set(xlim=(low - 0.1, high + 0.1), ylim=(-(half + 1) - 0.5 * len(found.groups), 1.2))
    axis.axis("off")
    axis.plot([low, high], [0, 0], color=INK, linewidth=1)
    for rank in np.arange(low, high + 1):
        axis.plot([rank, rank], [0, 0.25], color=INK, linewidth=1)
        axis.text(rank, 0.35, f"{rank:g}", ha="center", va="bottom", fontsize=7)
    axis.plot([low, low + found.distance], [1.15, 1.15], color=INK, linewidth=2, clip_on=False)
    axis.text(low + found.distance, 1.15, f"  critical distance {found.distance:.2f}", va="center", fontsize=7)
    for order, group in enumerate(found.groups):
        ends = [found.ranks[group[0]] - 0.04, found.ranks[group[-1]] + 0.04]
        axis.plot(ends, [-0.35 - 0.5 * order] * 2, color=INK, linewidth=3, solid_capstyle="butt")
    start = -0.35 - 0.5 * len(found.groups)
    for position, (method, rank) in enumerate(found.ranks.items()):
        title, left = found.titles[method], position < half
        y = start - (position + 0.5 if left else len(found.ranks) - position - 0.5)
        edge = low - 0.15 if left else high + 0.15
        axis.plot([rank, rank, edge], [0, y, y], color=INK, linewidth=0.7, clip_on=False)
        axis.text(edge, y, f"{title} ({rank:.2f}) " if left else f" ({rank:.2f}) {title}",
                  ha="right" if left else "left", va="center", fontsize=7.5)  # fmt: skip
    caption = (
        f"Mean ranks (1 is best) of the cells' means over {found.settings} settings, {RULES[rule].title}; Friedman's "
        f"test p = {found.p:.2g}. Bars join methods nearer than the critical distance (Nemenyi, level 0.05)."
    )
    return Drawn(name, "Critical-difference diagram", caption, figure)
