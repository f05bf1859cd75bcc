"""What of the tables a paper shows: which of them, which columns and rows, in which order, with which captions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from common.errors import as_known, unknown
from reports.errors import ReportError
from reports.model import DIGITS, Table, TableCell, with_decimals

_METHOD = "method"
MOST_DECIMALS = 4


@dataclass(frozen=True)
class TableChoice:
    """What is chosen of tables; what is empty leaves them as they are.

    tables: names, as their files have them. columns: headings, in this order behind the first columns of texts. rows:
    names or titles of rows, in this order. order: heading of a column that rows are sorted by, numbers from the
    largest; "-" before it turns the order. decimals: of percent and points. captions: table -> text.
    """

    tables: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[str] = ()
    order: str = ""
    decimals: int = DIGITS
    captions: Mapping[str, str] = field(default_factory=dict)


def chosen(tables: Sequence[Table], choice: TableChoice, titles: Mapping[str, str]) -> list[Table]:
    """The tables that are chosen, cut down and ordered. titles: row name -> title, of all rows of the suites.

    A table without any of the chosen columns or rows keeps all that it has. Raises ReportError for a name that no
    table has.
    """
    if not 0 <= choice.decimals <= MOST_DECIMALS:
        raise ReportError(f"--decimals {choice.decimals}: accepted: 0 to {MOST_DECIMALS}")
    names = [table.name for table in tables]
    kept = {_known(name, names, "table", "--table") for name in choice.tables} or set(names)
    captions = {_known(name, names, "table", "--caption"): text for name, text in choice.captions.items()}
    selected = [table for table in tables if table.name in kept]
    headings = list(dict.fromkeys(column.label for table in selected for column in table.columns))
    columns = [_known(name, headings, "column", "--column") for name in choice.columns]
    by_title = {title: title for table in selected for title in _methods(table)}
    known = by_title | {row: title for row, title in titles.items() if title in by_title}
    rows = [known[_known(name, list(known), "row", "--row")] for name in choice.rows]
    if choice.order:
        by = _known(choice.order.removeprefix("-"), headings, "column", "--order")
        selected = [_ordered(table, by, choice.order.startswith("-")) for table in selected]
    selected = [_of_columns(_of_rows(table, rows), columns) for table in selected]
    selected = [replace(table, title=captions.get(table.name, table.title).rstrip(". ")) for table in selected]
    return [_rounded(table, choice.decimals) for table in selected] if choice.decimals != DIGITS else selected


def _known(name: str, known: Iterable[str], kind: str, option: str) -> str:
    spelt = as_known(name, known := list(known))
    if spelt not in known:
        raise unknown(kind, name, known, option, error=ReportError)
    return spelt


def _place(table: Table, heading: str) -> int | None:
    return next((place for place, column in enumerate(table.columns) if column.label == heading), None)


def _methods(table: Table) -> list[str]:
    place = _place(table, _METHOD)
    return [] if place is None else [row[place].text for row in table.rows]


def _of_rows(table: Table, titles: Sequence[str]) -> Table:
    """The rows of these methods; where others stand before the method, these keep their order."""
    place = _place(table, _METHOD)
    if place is None or not set(titles) & set(_methods(table)):
        return table
    before = list(dict.fromkeys(tuple(cell.text for cell in row[:place]) for row in table.rows))

    def position(row: tuple[TableCell, ...]) -> tuple[int, int]:
        return before.index(tuple(cell.text for cell in row[:place])), titles.index(row[place].text)

    rows = tuple(sorted((row for row in table.rows if row[place].text in titles), key=position))
    note = f"{len(rows)} of {len(table.rows)} rows are shown; ranks, tests and what is bold are of all."
    return replace(table, rows=rows, notes=(*table.notes, note) if len(rows) < len(table.rows) else table.notes)


def _of_columns(table: Table, headings: Sequence[str]) -> Table:
    """The first columns of texts, then these."""
    labels = [column.label for column in table.columns]
    wanted = [labels.index(heading) for heading in headings if heading in labels]
    if not wanted:
        return table
    first = next((place for place, column in enumerate(table.columns) if column.number), 1) or 1
    places = [*(place for place in range(first) if place not in wanted), *wanted]
    columns = tuple(table.columns[place] for place in places)
    return replace(table, columns=columns, rows=tuple(tuple(row[place] for place in places) for row in table.rows))


def _ordered(table: Table, heading: str, turned: bool) -> Table:
    """Sorted by a column: numbers from the largest, texts by their letters, cells without a value last."""
    place = _place(table, heading)
    if place is None:
        return table
    known = [row for row in table.rows if row[place].value is not None]
    numbers = all(isinstance(row[place].value, int | float) for row in known)
    known.sort(
        key=lambda row: (0, row[place].value) if numbers else (1, str(row[place].value)), reverse=numbers != turned
    )
    return replace(table, rows=(*known, *(row for row in table.rows if row[place].value is None)))


def _rounded(table: Table, decimals: int) -> Table:
    return replace(table, rows=tuple(tuple(with_decimals(cell, decimals) for cell in row) for row in table.rows))
