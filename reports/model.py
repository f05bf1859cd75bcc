"""What a table is, apart from how it is written: columns, cells with the runs behind them, and notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

HOLE = "–"
DIGITS = 2
"""Decimals of percent and points."""
BETWEEN = " | "
"""Between the parts of a stacked cell."""
COLLAPSED, DIVERGED = "†", "‡"
"""At a number behind which a run collapsed, and at one beside whose runs others diverged; a note begins with it."""

TONE_MARKS = {"near": " ✓", "uncertain": " ~", "apart": " ✗", "grey": "", "": ""}
"""What says the same as a cell's colour to those who don't see it."""


@dataclass(frozen=True)
class TableCell:
    """One place of a table.

    text: plain text as read. value: what sorting goes by (None: last). bold: marked by a test. tone: how far it lies
    from a published number ("near", "uncertain", "apart"), or "grey" where the two can't be compared. hint: more words,
    where there is room for them.
    stacked: its parts (`BETWEEN`) stand below each other in LaTeX. runs: addresses of the runs behind the number.
    fractions: those that the text holds as percent or points with DIGITS decimals, in its order.
    """

    text: str = ""
    value: float | str | None = None
    bold: bool = False
    tone: str = ""
    hint: str = ""
    stacked: bool = False
    runs: tuple[str, ...] = ()
    fractions: tuple[float, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers are set flush right."""

    label: str
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table with its notes. name: stem of its files. data: header and rows of its CSV file (default: the texts)."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = ()
    data: tuple[Sequence[str], Sequence[Sequence[object]]] | None = field(default=None, compare=False)


def words(text: str, hint: str = "", bold: bool = False) -> TableCell:
    """A cell of text."""
    return TableCell(text, text.casefold(), bold=bold, hint=hint)


def percent(fraction: float, digits: int = DIGITS, sign: bool = False) -> str:
    """A fraction as percent without the unit: "86.42", with a true minus sign; a dash where there is none."""
    if math.isnan(fraction):
        return HOLE
    text = f"{100 * fraction:+.{digits}f}" if sign else f"{100 * fraction:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")


def mean_text(mean: float, std: float, n: int, planned: int | None = None, digits: int = DIGITS) -> str:
    """ "86.42 ± 0.31 (3)"; no deviation for one run; "(2 of 3)" where runs are missing."""
    count = f"({n})" if planned is None or n == planned else f"({n} of {planned})"
    spread = "" if math.isnan(std) else f" ± {percent(std, digits)}"
    return f"{percent(mean, digits)}{spread} {count}"


def percent_cell(fraction: float, sign: bool = False, hint: str = "", runs: Iterable[str] = ()) -> TableCell:
    """A cell of one fraction as percent, or of a difference of fractions as points."""
    value = None if math.isnan(fraction) else fraction
    return TableCell(percent(fraction, sign=sign), value, hint=hint, runs=tuple(runs), fractions=(fraction,))


def with_decimals(cell: TableCell, digits: int) -> TableCell:
    """The cell with so many decimals of its fractions, rounded from their full precision."""
    text, start = cell.text, 0
    for fraction in cell.fractions:
        matches = [
            (text.index(shown, start), shown, percent(fraction, digits, sign))
            for sign in (True, False) if not math.isnan(fraction)
            if (shown := percent(fraction, sign=sign)) in text[start:]
        ]  # fmt: skip
        if matches:
            place, shown, wanted = min(matches, key=lambda each: each[0])
            text = text[:place] + wanted + text[place + len(shown) :]
            start = place + len(wanted)
    return replace(cell, text=text)


def number(value: float, digits: int = 2) -> str:
    """A plain number, or a dash for NaN."""
    return HOLE if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def number_cell(value: float, digits: int = 2, runs: Iterable[str] = ()) -> TableCell:
    """A cell of one plain number."""
    return TableCell(number(value, digits), None if math.isnan(value) else value, runs=tuple(runs))


def mean_std(values: ArrayLike) -> tuple[float, float, int]:
    """Mean, sample deviation (NaN for one value) and number of the values that exist."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return float("nan"), float("nan"), 0
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else float("nan"), len(known)


def p_text(p: float) -> str:
    """A p-value: three decimals, or its order of magnitude below a thousandth."""
    if math.isnan(p):
        return HOLE
    return f"{p:.3f}" if p >= 0.0005 else f"{p:.0e}"
