"""The curves that a page draws itself: the means and intervals of the figures over epochs, as numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.curve_means import curves_of
from reports.figure_looks import Style, styles_of
from reports.gather import Section
from results.places import Place

QUANTITIES = {
    "test_accuracy": "test accuracy (%)",
    "noisy_validation_accuracy": "accuracy on noisy validation labels (%)",
    "memorisation.mislabelled_given": "mislabelled samples predicted as their wrong label (%)",
    "memorisation.mislabelled_true": "mislabelled samples predicted as their true label (%)",
    "memorisation.clean_given": "clean samples predicted as their label (%)",
}
"""Quantity of a record's curves -> its title; all are shares."""
SHOWN_AT_FIRST = 8
"""So many rows are drawn until the reader chooses others."""
_MOST_NUMBERS = 150_000
"""About a megabyte; of longer curves every so many epochs are kept."""


@dataclass(frozen=True)
class _Line:
    quantity: str
    place: tuple[str, str]
    row: str
    values: pd.DataFrame


def curves_data(section: Section, placed: Mapping[str, Place]) -> dict[str, Any] | None:
    """What the page's script draws, as JSON; None where no run has a curve.

    rows: title, color, dash, shown (at first: all where they are few, else those of the best places). panels: quantity,
    place, epochs, and lines of [row's position, means, lows, highs] in percent, null where there is none. every: of how
    many epochs one is kept.
    """
    rows, curves = list(section.methods), curves_of(section)
    lines = [
        _Line(quantity, place, row, values)
        for quantity in QUANTITIES for place in section.places for row in rows
        if (values := curves.of(section, place, row, quantity)) is not None and values["mean"].notna().any()
    ]  # fmt: skip
    if not lines:
        return None
    numbers = 3 * sum(len(line.values) for line in lines)
    every = max(1, math.ceil(numbers / _MOST_NUMBERS))
    first = rows if len(rows) <= SHOWN_AT_FIRST else [*placed, *rows][:SHOWN_AT_FIRST]
    looks = styles_of(tuple(rows))
    return {
        "rows": [_row(section.methods[row], looks[row], row in first) for row in rows],
        "panels": [
            _panel(section, rows, quantity, place, every, lines)
            for quantity in QUANTITIES for place in section.places
            if any((line.quantity, line.place) == (quantity, place) for line in lines)
        ],
        "every": every,
    }  # fmt: skip


def _row(title: str, style: Style, shown: bool) -> dict[str, Any]:
    dash = [] if style.dash == "-" else [2 * length for length in style.dash[1]]
    return {"title": title, "color": style.color, "dash": dash, "shown": shown}


def _panel(
    section: Section, rows: list[str], quantity: str, place: tuple[str, str], every: int, lines: list[_Line]
) -> dict[str, Any]:
    mine = [line for line in lines if (line.quantity, line.place) == (quantity, place)]
    epochs = sorted(set[int]().union(*(map(int, line.values["epoch"]) for line in mine)))
    kept = sorted({*epochs[::every], epochs[-1]})
    return {
        "quantity": QUANTITIES[quantity],
        "place": section.place_title(*place),
        "epochs": kept,
        "lines": [[rows.index(line.row), *_values(line.values, kept)] for line in mine],
    }


def _values(line: pd.DataFrame, epochs: list[int]) -> list[list[float | None]]:
    """Means, lows and highs at these epochs, in percent; an interval ends at 0 and 100, as in the figures."""
    table = line.set_index("epoch").reindex(epochs)
    bounded = {"low": table["low"].clip(0, 1), "mean": table["mean"], "high": table["high"].clip(0, 1)}
    return [
        [None if math.isnan(value) else round(100 * value, 2) for value in bounded[name]]
        for name in ("mean", "low", "high")
    ]
