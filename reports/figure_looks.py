"""How a method is drawn: a colour, a dash and a marker; no two rows of a figure have one dash with one marker."""

from __future__ import annotations

import functools
import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

# Okabe and Ito's palette without its yellow and black (unreadable on one of the two backgrounds), and two more hues.
HUES = {"grey": "#7d838c", "orange": "#e69f00", "blue": "#1c7ec4", "red": "#d55e00", "green": "#009e73",
         "pink": "#cc79a7", "sky": "#56b4e9", "purple": "#8168b3", "brown": "#9c6b4a", "olive": "#8f9a2c"}  # fmt: skip
_DASHES: dict[str, Any] = {"solid": "-", "dashed": (0, (4, 1.5)), "dotted": (0, (1, 1.2)),
                           "mixed": (0, (5, 1.2, 1, 1.2))}  # fmt: skip
_MARKERS = "osD^vPX*<>"
_FILLS = {"solid": "full", "dashed": "none", "dotted": "left", "mixed": "bottom"}
"""How markers are filled: they tell rows apart where no line does."""
_SHAPES = tuple(itertools.product(_DASHES, _MARKERS))
_UNLIKE = {
    "grey": ("red", "blue"), "orange": ("sky", "brown"), "blue": ("orange", "brown"), "red": ("grey", "blue"),
    "green": ("sky", "orange"), "pink": ("orange", "brown"), "sky": ("orange", "brown"), "purple": ("orange", "brown"),
    "brown": ("sky", "orange"), "olive": ("grey", "blue"),
}  # fmt: skip
"""Hue -> two that a colour-blind reader tells from it and from each other: for a shape that a figure has already."""

# Dash and marker of each are its own, so that a reader who sees no colours can tell them apart.
_KNOWN: dict[str, tuple[str, str, str]] = {
    "cross_entropy": ("grey", "solid", "o"), "cross_entropy_clean": ("grey", "dashed", "s"),
    "label_smoothing": ("grey", "dotted", "^"), "mixup": ("brown", "solid", "v"),
    "co_teaching": ("orange", "solid", "s"), "co_teaching_plus": ("orange", "dashed", "P"),
    "jocor": ("orange", "dotted", "X"), "elr": ("blue", "solid", "D"), "elr_cosine": ("blue", "dotted", "v"),
    "elr_plus": ("blue", "dashed", "o"), "car": ("red", "solid", "^"), "nal": ("red", "dashed", "v"),
    "gce": ("green", "solid", "P"), "truncated_gce": ("green", "dashed", "D"), "sce": ("pink", "solid", "X"),
    "nce_rce": ("pink", "dashed", "^"), "nce_mae": ("pink", "dotted", "o"), "bootstrap_soft": ("sky", "solid", "*"),
    "bootstrap_hard": ("sky", "dashed", "*"), "forward_correction": ("purple", "solid", "<"),
    "backward_correction": ("purple", "dashed", "<"), "cores": ("olive", "solid", ">"),
    "cores_star": ("olive", "dashed", ">"), "selc": ("brown", "dashed", "X"), "sop": ("sky", "dotted", "D"),
    "sop_plus": ("sky", "mixed", "P"), "nlnl": ("pink", "mixed", "X"), "cdr": ("olive", "dotted", "<"),
    "forward_correction_estimated": ("brown", "dotted", "s"),
    "backward_correction_estimated": ("brown", "mixed", "v"), "divide_mix": ("green", "mixed", "*"),
    "pes": ("purple", "dotted", "P"), "pes_semi": ("purple", "mixed", "o"),
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a row is drawn. fill: of its markers."""

    color: str
    dash: Any
    marker: str
    fill: str = "full"

    def mark(self) -> dict[str, Any]:
        """Matplotlib's arguments of its markers."""
        return {"color": self.color, "marker": self.marker, "fillstyle": self.fill, "markeredgewidth": 0.8}


def _wanted(row: str) -> tuple[str, str, str]:
    """Hue, dash and marker that a row has if it may: those of the table, else by the hash of its name."""
    if row in _KNOWN:
        return _KNOWN[row]
    number = int.from_bytes(hashlib.sha256(row.encode("utf-8", "replace")).digest()[:8], "big")
    number, hue = divmod(number, len(HUES))
    return list(HUES)[hue], *_SHAPES[number % len(_SHAPES)]


@functools.cache
def styles_of(rows: tuple[str, ...]) -> dict[str, Style]:
    """A style for each row of a figure, by the rows' names; those of the table always have theirs.

    Up to 40 rows no two have one dash with one marker; from then on, up to 120, those that do differ in hue.
    """
    taken: dict[tuple[str, str], list[str]] = {shape: [] for shape in _SHAPES}
    styles: dict[str, Style] = {}
    for row in sorted(rows, key=lambda name: name not in _KNOWN):  # stable: the suite's order among equals
        hue, dash, marker = _wanted(row)
        start = _SHAPES.index((dash, marker))
        turned = (*_SHAPES[start:], *_SHAPES[:start])
        shape = min(turned, key=lambda each: len(taken[each]))
        if row not in _KNOWN:
            used = [each for hues in taken.values() for each in hues]
            first = list(HUES).index(hue)
            hue = min([*list(HUES)[first:], *list(HUES)[:first]], key=used.count)
        if taken[shape]:
            hue = next((other for other in _UNLIKE[taken[shape][0]] if other not in taken[shape]), hue)
        taken[shape].append(hue)
        styles[row] = Style(HUES[hue], _DASHES[shape[0]], shape[1], _FILLS[shape[0]])
    return styles
