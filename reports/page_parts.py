"""What would be too large on one page, in parts: each a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reports.model import Table, TableCell

Piece = TypeVar("Piece")
Row = tuple[int, tuple[TableCell, ...]]
"""A row of one of several tables: which, and its cells."""


def in_parts(pieces: Sequence[Piece], size: Callable[[Sequence[Piece]], int], largest: int) -> list[Sequence[Piece]]:
    """The pieces in their order, halved until the `size` in bytes of each part is at most `largest`, or it is one."""
    if len(pieces) < 2 or size(pieces) <= largest:
        return [pieces]
    middle = (len(pieces) + 1) // 2
    return [part for half in (pieces[:middle], pieces[middle:]) for part in in_parts(half, size, largest)]


def rows_of(tables: Sequence[Table]) -> list[Row]:
    """All rows of the tables."""
    return [(number, row) for number, table in enumerate(tables) for row in table.rows]


def with_rows(tables: Sequence[Table], rows: Sequence[Row]) -> list[Table]:
    """The tables that have some of these rows, with these alone; what else their csv would hold is left out."""
    kept_rows = [
        (table, tuple(row for place, row in rows if place == number)) for number, table in enumerate(tables)
    ]  # fmt: skip
    return [Table(table.name, table.title, table.columns, kept, table.notes) for table, kept in kept_rows if kept]
