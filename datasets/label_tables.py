"""Labels from a CSV table: which column they stand in, and in which order. What is not certain is refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets import text_files
from datasets.base import DataError, IntArray
from datasets.listing import shown

LABELS = ("label", "labels", "noisy_label", "noisy_labels", "given_label", "given_labels")
TRUTH = ("true_label", "true_labels", "clean_label", "clean_labels")
INDEX = ("index", "", "idx", "row", "unnamed: 0")  # what tables call the number of a row; pandas: nothing at all
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SEPARATORS = (",", "\t", ";")


@dataclass(frozen=True)
class Table:
    """The cells of a table. names: those of its columns; None: it has no header line. path: for errors."""

    path: Path
    names: list[str] | None
    rows: list[list[str]]

    @property
    def width(self) -> int:
        return len(self.names) if self.names is not None else len(self.rows[0])

    def column(self, place: int) -> list[str]:
        """The cells of one column. Raises DataError where a row has none there."""
        if any(len(row) <= place for row in self.rows):
            raise DataError(f"{self.path}: rows of unequal length")
        return [row[place].strip() for row in self.rows]

    def places(self, names: Sequence[str]) -> list[int]:
        """The columns that are called so, whatever the case."""
        called = [name.casefold() for name in self.names or []]
        return [place for place, name in enumerate(called) if name in names]


def cells(path: Path) -> list[list[str]]:
    """The rows of a CSV file that are not blank. Raises OSError, DataError."""
    try:
        with text_files.opened(path) as stream:
            first = stream.readline()
        mark = next((mark for mark in _SEPARATORS if mark in first), ",")
        with text_files.opened(path, newline="") as stream:
            return [row for row in csv.reader(stream, delimiter=mark) if any(cell.strip() for cell in row)]
    except (UnicodeError, csv.Error) as fault:
        raise DataError(f"{path}: not a CSV file: {fault}") from None


def read(path: Path) -> Table:
    """The table; a first line that is not all numbers is its header. Raises OSError; DataError where it is empty."""
    rows = cells(path)
    if not rows:
        raise DataError(f"{path}: holds no labels")
    first = [cell.strip().strip("\ufeff") for cell in rows[0]]
    if all(_NUMBER.fullmatch(cell) for cell in first):
        return Table(path, None, rows)
    if not rows[1:]:
        raise DataError(f"{path}: holds no labels, but the header {', '.join(map(shown, first))}")
    return Table(path, first, rows[1:])


def label_place(table: Table, key: str | None) -> int:
    """The column called `key`, else the one that is called as labels are, else the only one beside the rows' numbers.

    Raises DataError where there is none, or are several.
    """
    path, names = table.path, table.names
    if names is None:
        if key is not None:
            raise DataError(f"{path}: no column {key!r} (accepted: no header line)")
        if table.width > 1:
            needed = "the first line must name them, such as index,label"
            raise DataError(f"{path}: {table.width} columns and no header line: {needed}")
        return 0
    accepted = ", ".join(map(shown, names))
    if key is not None:
        if key not in names:
            raise DataError(f"{path}: no column {key!r} (accepted: {accepted})")
        if names.count(key) > 1:
            raise DataError(f"{path}: {names.count(key)} columns {key!r}: rename those that are not meant")
        return names.index(key)
    named = table.places(LABELS)
    if not named and table.width > 1:
        known = table.places(INDEX)
        named = [place for place in range(table.width) if place not in known]
    if table.width == 1:
        return 0
    if len({names[place] for place in named}) < len(named):
        raise DataError(f"{path}: {len(named)} columns {names[named[0]]!r}: rename those that are not meant")
    if len(named) != 1:
        raise DataError(f"{path}: several columns, so a key is needed (accepted: {accepted})")
    return named[0]


def _numbering(texts: Sequence[str]) -> IntArray | None:
    return numbering(np.array(texts, dtype=np.float64)) if all(map(_NUMBER.fullmatch, texts)) else None


def numbering(values: npt.NDArray[Any]) -> IntArray | None:
    """The place of each row, in the order of the values, where these are the numbers from 0 or 1 on, each once."""
    order = np.argsort(values, kind="stable")
    ranks = np.arange(len(values))
    return order if any(np.array_equal(values[order], ranks + start) for start in (0, 1)) else None


def order(table: Table, label: int) -> IntArray:
    """The rows in the order of the images: as a column `index` numbers them, else as they stand.

    Raises DataError where such a column is no numbering, or another column numbers the rows in another order.
    """
    standing = np.arange(len(table.rows))
    if table.names is None:
        return standing
    numbered = [place for place in table.places(INDEX) if place != label]
    if len(numbered) > 1:
        called = ", ".join(repr(shown(table.names[place])) for place in numbered)
        raise DataError(f"{table.path}: columns {called}: which of them numbers the images? Remove the other")
    for place in numbered:
        numbers = _numbering(table.column(place))
        if numbers is None:
            name = shown(table.names[place])
            raise DataError(f"{table.path}: column {name!r} does not number the rows from 0 on, each once")
        return numbers
    for place in range(table.width):
        numbers = _numbering(table.column(place)) if place != label else None
        if numbers is not None and len(numbers) > 2 and not np.array_equal(numbers, standing):
            name = shown(table.names[place])
            raise DataError(
                f"{table.path}: column {name!r} numbers the rows in another order than they stand in: call it 'index' "
                "where that is the images' order, else remove it"
            )
    return standing
