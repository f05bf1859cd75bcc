"""How all figures look: one fixed colour, dash and marker for each method, panels of one size, byte-stable files."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

INK, GRID, PAPER = "#1c2026", "#dfe3e8", "#fdfdfe"
"""Text and axes, grid lines, background: no data is drawn in these, so the page can replace them in the dark."""
SUFFIXES = ("svg", "pdf", "png")
_PAGE = 7.0  # inches
_MANY = 12  # methods from which on a figure takes the width of a page

# Okabe and Ito's palette without its yellow and black (unreadable on one of the two backgrounds), and two more hues.
_HUES = {"grey": "#7d838c", "orange": "#e69f00", "blue": "#1c7ec4", "red": "#d55e00", "green": "#009e73",
         "pink": "#cc79a7", "sky": "#56b4e9", "purple": "#8168b3", "brown": "#9c6b4a", "olive": "#8f9a2c"}  # fmt: skip
_DASHES: dict[str, Any] = {"solid": "-", "dashed": (0, (4, 1.5)), "dotted": (0, (1, 1.2)),
                           "mixed": (0, (5, 1.2, 1, 1.2))}  # fmt: skip
_MARKERS = "osD^vPX*<>"

_KNOWN: dict[str, tuple[str, str, str]] = {
    "cross_entropy": ("grey", "solid", "o"), "cross_entropy_clean": ("grey", "dashed", "s"),
    "label_smoothing": ("grey", "dotted", "^"), "mixup": ("brown", "solid", "o"),
    "co_teaching": ("orange", "solid", "s"), "co_teaching_plus": ("orange", "dashed", "P"),
    "jocor": ("orange", "dotted", "X"), "elr": ("blue", "solid", "D"), "elr_cosine": ("blue", "dotted", "v"),
    "elr_plus": ("blue", "dashed", "P"), "car": ("red", "solid", "^"), "nal": ("red", "dashed", "v"),
    "gce": ("green", "solid", "o"), "truncated_gce": ("green", "dashed", "s"), "sce": ("pink", "solid", "D"),
    "nce_rce": ("pink", "dashed", "s"), "nce_mae": ("pink", "dotted", "o"), "bootstrap_soft": ("sky", "solid", "o"),
    "bootstrap_hard": ("sky", "dashed", "s"), "forward_correction": ("purple", "solid", "^"),
    "backward_correction": ("purple", "dashed", "v"), "cores": ("olive", "solid", "D"),
    "cores_star": ("olive", "dashed", "P"), "selc": ("brown", "dashed", "X"), "sop": ("sky", "dotted", "D"),
    "sop_plus": ("sky", "mixed", "P"), "nlnl": ("pink", "mixed", "X"), "cdr": ("olive", "dotted", "<"),
    "forward_correction_estimated": ("brown", "dotted", "^"), "backward_correction_estimated": ("brown", "mixed", "v"),
    "divide_mix": ("green", "mixed", "*"), "pes": ("purple", "dotted", "o"), "pes_semi": ("purple", "mixed", "P"),
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a method is drawn, in every figure of every report."""

    color: str
    dash: Any
    marker: str


def style_of(method: str) -> Style:
    """The style of a method's row; one that is not in the table gets its own by the hash of its name."""
    if method in _KNOWN:
        hue, dash, marker = _KNOWN[method]
    else:
        number = int.from_bytes(hashlib.sha256(method.encode()).digest()[:8], "big")
        hues, dashes = list(_HUES), list(_DASHES)
        hue = hues[number % len(hues)]
        dash = dashes[number // len(hues) % len(dashes)]
        marker = _MARKERS[number // (len(hues) * len(dashes)) % len(_MARKERS)]
    return Style(_HUES[hue], _DASHES[dash], marker)


CLEAN, WRONG = _HUES["blue"], _HUES["red"]
"""Colours of clean and of mislabelled samples."""


@dataclass(frozen=True)
class Drawn:
    """A finished figure. name: stem of its files. caption: what is shown, in words."""

    name: str
    title: str
    caption: str
    figure: Figure


@contextmanager
def house_style() -> Iterator[None]:
    """All figures are drawn and saved inside this: seaborn's theme, our colours, stable identifiers in SVG."""
    theme: dict[Any, Any] = {
        **sns.axes_style("whitegrid"), **sns.plotting_context("paper"),
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
        "grid.color": GRID, "figure.facecolor": PAPER, "axes.facecolor": PAPER, "savefig.facecolor": PAPER,
        "axes.linewidth": 0.7, "grid.linewidth": 0.6, "lines.linewidth": 1.4, "lines.markersize": 3.5,
        "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
        "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8.5, "axes.titley": 1.0, "xtick.labelsize": 7,
        "ytick.labelsize": 7, "legend.fontsize": 7.5, "legend.frameon": False, "axes.titlepad": 4, "axes.labelpad": 2,
        "xtick.major.pad": 2, "ytick.major.pad": 2, "image.interpolation": "nearest", "image.cmap": "cividis",
        "svg.hashsalt": "noisy-label-bench", "svg.fonttype": "none", "pdf.fonttype": 42, "axes.unicode_minus": True,
        "text.parse_math": False,  # titles come from suites: a "$" in one is a dollar, and bad mathtext an exception
    }  # fmt: skip
    with mpl.rc_context(theme):
        yield


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


def panels(
    titles: Sequence[str], *, x: str = "", y: str = "", width: float = 2.2, height: float = 1.75, most: int = 4,
    entries: Sequence[str] = (), share_y: bool = True, share_x: bool = True, tall_titles: bool = False,
    rigid: bool = False, tight: bool = False, left: float = 0.62, right: float = 0.14, bottom: float = 0.42,
) -> Panels:  # fmt: skip
    """Panels with a title each, at most `most` in a row; `entries` are the labels of the legend to come.

    With many entries the panels grow to the width of a page, as lines and legend need the room.
    Ticks and axis labels stand at the left and lower border only where axes are shared. tall_titles: of two lines.
    rigid: exactly `most` in a row. tight: no axes are shared, and only titles stand between the panels. left, right,
    bottom: margins in inches, the legend apart.
    """
    rows = math.ceil(len(titles) / most)
    columns = min(most, len(titles)) if rigid else math.ceil(len(titles) / rows)
    top, gap_x, gap_y = 0.27, 0.2 if share_y else 0.5, 0.36 if share_x else 0.55
    if tight:
        gap_x, gap_y = 0.12, 0.26
    if tall_titles:
        top, gap_y = top + 0.13, gap_y + (0.13 if share_x or tight else 0.27)
    if len(entries) > _MANY:
        factor = max(1.0, (_PAGE - left - right - (columns - 1) * gap_x) / (columns * width))
        width, height = factor * width, min(factor, 2.0) * height
    total = max(left + right + columns * width + (columns - 1) * gap_x, 3.4)
    bottom += 0.16 * math.ceil(len(entries) / _across(total, entries)) + 0.06 if entries else 0
    high = top + bottom + rows * height + (rows - 1) * gap_y
    figure = Figure(figsize=(total, high))
    FigureCanvasAgg(figure)
    found: list[Axes] = []
    for position, title in enumerate(titles):
        row, column = divmod(position, columns)
        corner = left + column * (width + gap_x), high - top - height - row * (height + gap_y)
        first = found[0] if found and not tight else None  # matrices that shared axes would share their ticks, too
        axis = figure.add_axes(
            (corner[0] / total, corner[1] / high, width / total, height / high),
            sharex=first if share_x else None, sharey=first if share_y else None,
        )  # fmt: skip
        axis.set_title(title)
        lowest = position + columns >= len(titles)
        axis.tick_params(labelbottom=lowest or not share_x, labelleft=column == 0 or not share_y)
        if lowest:
            axis.set_xlabel(x)
        if column == 0:
            axis.set_ylabel(y)
        found.append(axis)
    return Panels(figure, tuple(found), columns)


def _across(width: float, entries: Sequence[str]) -> int:
    """Entries of a legend that stand side by side in `width` inches."""
    longest = max((len(entry) for entry in entries), default=0)
    most = max(1, int(width / (0.55 + 0.062 * longest)))
    return math.ceil(len(entries) / max(1, math.ceil(len(entries) / most)))


def handle(label: str, style: Style, marker: bool = False) -> Line2D:
    """A legend's entry for a method."""
    return Line2D([], [], color=style.color, linestyle=style.dash, marker=style.marker if marker else "", label=label)


def interval(axis: Axes, x: Any, low: Any, high: Any, color: str) -> None:
    """A band around a line."""
    known = np.isfinite(low) & np.isfinite(high)
    if known.any():
        axis.fill_between(x, low, high, where=known, color=color, alpha=0.16, linewidth=0)


_WRITE: Mapping[str, Mapping[str, Any]] = {
    "svg": {"metadata": {"Date": None, "Creator": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
    "png": {"metadata": {"Software": None}, "dpi": 150},
}


def rendered(drawn: Drawn) -> dict[str, bytes]:
    """The figure as the content of its SVG, PDF and PNG file. Must be called inside `house_style`."""
    found = {}
    for suffix in SUFFIXES:
        stream = io.BytesIO()
        drawn.figure.savefig(stream, format=suffix, **_WRITE[suffix])
        found[suffix] = stream.getvalue()
    return found
