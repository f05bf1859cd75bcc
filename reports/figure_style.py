"""How all figures look: one fixed colour, dash and marker for each method, panels of one size, byte-stable files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figure_looks import HUES, Style
from reports.figure_page import SCREEN, Page, drawn_for, page
from reports.figure_panels import LEGEND, TITLE
from reports.figure_texts import families, settable

INK, GRID, PAPER = "#1c2026", "#dfe3e8", "#fdfdfe"
"""Text and axes, grid lines, background: no data is drawn in these, so the page can replace them in the dark."""
SUFFIXES = ("svg", "pdf", "png")

CLEAN, WRONG = HUES["blue"], HUES["red"]
"""Colours of clean and of mislabelled samples."""


@dataclass(frozen=True)
class Drawn:
    """A finished figure. name: stem of its files. caption: what is shown, in words. data: the numbers that are drawn.

    In `data` a column has one unit, which its name says where it has one: `_percent`, `_seconds`.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    data: pd.DataFrame


@contextmanager
def house_style(texts: Iterable[str] = (), where: Page = SCREEN) -> Iterator[None]:
    """All figures are drawn and saved inside this: seaborn's theme, our colours, stable identifiers in SVG.

    Matplotlib's own defaults hold beside these: a user's matplotlibrc has no say. texts: of what will be drawn, so that
    there is a font for all of their letters where one is installed. where: what is drawn for.
    """
    theme: dict[Any, Any] = {
        **sns.axes_style("whitegrid"), **sns.plotting_context("paper"),
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
        "grid.color": GRID, "figure.facecolor": PAPER, "axes.facecolor": PAPER, "savefig.facecolor": PAPER,
        "axes.linewidth": 0.7, "grid.linewidth": 0.6, "lines.linewidth": 1.4, "lines.markersize": 3.5,
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
        "font.size": 8, "axes.labelsize": 8, "axes.titlesize": TITLE, "axes.titley": 1.0, "xtick.labelsize": 7,
        "ytick.labelsize": 7, "legend.fontsize": LEGEND, "legend.frameon": False, "axes.titlepad": 4,
        "axes.labelpad": 2, "xtick.major.pad": 2, "ytick.major.pad": 2, "image.interpolation": "nearest",
        "image.cmap": "cividis",
        "svg.hashsalt": "noisy-label-bench", "svg.fonttype": "none", "pdf.fonttype": 42, "axes.unicode_minus": True,
        "text.parse_math": False,  # titles come from suites: a "$" in one is a dollar, and bad mathtext an exception
    }  # fmt: skip
    if where.printed:
        theme |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "white")
    with mpl.rc_context(), drawn_for(where):
        mpl.rcdefaults()
        mpl.rcParams.update({**theme, "font.family": ["sans-serif", *families(texts)]})
        yield


def handle(label: str, style: Style, marker: bool = False) -> Line2D:
    """A legend's entry for a method."""
    drawn = style.mark() if marker else {"color": style.color}
    return Line2D([], [], linestyle=style.dash, label=label, **drawn)


def interval(axis: Axes, x: Any, low: Any, high: Any, color: str) -> None:
    """A band around a line."""
    known = np.isfinite(low) & np.isfinite(high)
    if known.any():
        axis.fill_between(x, low, high, where=known, color=color, alpha=0.16, linewidth=0)


_WRITE: Mapping[str, Mapping[str, Any]] = {
    "svg": {"metadata": {"Date": None, "Creator": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
    "png": {"metadata": {"Software": None}},
}
_PIXELS, _PRINTED_PIXELS = 150, 300  # to an inch


def rendered(drawn: Drawn) -> dict[str, bytes]:
    """The figure as the content of its SVG, PDF and PNG file. Must be called inside `house_style`."""
    files = {}
    settable(drawn.figure)
    for suffix in SUFFIXES:
        stream = io.BytesIO()
        options: dict[str, Any] = dict(_WRITE[suffix])
        if suffix == "png":
            options["dpi"] = _PRINTED_PIXELS if page().printed else _PIXELS
        drawn.figure.savefig(stream, format=suffix, **options)
        files[suffix] = stream.getvalue()
    return files
