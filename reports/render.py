"""Tables as Markdown and CSV: pure functions of a table, byte for byte the same every time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import pandas as pd

from reports.model import TONE_MARKS, Table, TableCell
from results.csv_text import formula_free

_MARKDOWN = str.maketrans({"|": "\\|", "\n": " ", "*": "\\*", "_": "\\_", "`": "\\`", "<": "&lt;", "[": "\\[",
                           "]": "\\]", "~": "\\~", "$": "\\$", "\\": "\\\\", "&": "&amp;"})  # fmt: skip


def markdown(table: Table) -> str:
    """A heading, a pipe table, and the notes as a list."""
    head = [column.label.translate(_MARKDOWN) for column in table.columns]
    rule = ["---:" if column.number else ":---" for column in table.columns]
    rows = [[_markdown_cell(cell) for cell in row] for row in table.rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
    notes = [f"- {note.translate(_MARKDOWN)}" for note in table.notes]
    return "\n".join([f"### {table.title.translate(_MARKDOWN)}", "", *lines, *([""] if notes else []), *notes, ""])


def _markdown_cell(cell: TableCell) -> str:
    text = cell.text.translate(_MARKDOWN)
    return f"**{text}**" if cell.bold and text else text + TONE_MARKS[cell.tone]


def csv_text(table: Table) -> str:
    """The table's data: numbers with a dot and in full precision, one header line."""
    columns, rows = table.data or ([c.label for c in table.columns], [[cell.text for cell in r] for r in table.rows])
    return csv_lines(columns, rows)


def csv_of(data: pd.DataFrame) -> str:
    """The numbers of a figure: as `csv_text` writes them, whole ones without a dot."""
    rows = data.astype(object).to_numpy().tolist()
    return csv_lines(data.columns, ([_whole(value) for value in row] for row in rows))


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def csv_lines(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A header line and rows as CSV that a spreadsheet opens: in UTF-8, and without formulas."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([formula_free(column) for column in columns])
    writer.writerows([["" if _is_missing(value) else formula_free(value) for value in row] for row in rows])
    text = stream.getvalue()
    return text if text.isascii() else f"\ufeff{text}"  # without the mark a spreadsheet takes it for another encoding


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)
