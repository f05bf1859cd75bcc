"""The main tables as the terminal shows them: accuracies only, a few settings at a time."""

from __future__ import annotations

from dataclasses import replace

from rich.table import Table as TerminalTable
from rich.text import Text

from reports.model import COLLAPSED, DIVERGED, Table

SETTINGS, PAPER_SETTINGS = 4, 2
"""Settings side by side in one terminal table."""
_MEAN = "mean of settings"
_LEFT_OUT = (_MEAN, "passes", "images/s", "s/run", "privileges")
_NOTES = 2
_ALWAYS = (COLLAPSED, DIVERGED)  # what a mark in the table means is said wherever the table stands


def terminal_tables(table: Table, at_once: int = SETTINGS) -> list[TerminalTable]:
    """The accuracies of a table; what else stands beside them is in the files and on the page."""
    settings = [n for n, column in enumerate(table.columns) if n and column.label not in _LEFT_OUT]
    mean = [n for n, column in enumerate(table.columns) if column.label == _MEAN]
    tables = []
    for start in range(0, len(settings), at_once):
        last = start + at_once >= len(settings)
        title = Text(table.title, style="table.title")  # text of suites: as str it would be read as markup
        notes = [*table.notes[:_NOTES], *(note for note in table.notes[_NOTES:] if note.startswith(_ALWAYS))]
        caption = Text("\n".join(notes), style="table.caption") if last else None
        shown = TerminalTable(title=title, title_justify="left", caption=caption, caption_justify="left")
        places = [0, *settings[start : start + at_once], *(mean if last else [])]
        for n in places:
            shown.add_column(Text(table.columns[n].label), justify="right" if n else "left", overflow="fold")
        for row in table.rows:
            shown.add_row(*(Text(row[n].text, style="bold" if row[n].bold else "") for n in places))
        tables.append(shown)
    return tables


def paper_tables(table: Table) -> list[TerminalTable]:
    """A paper table without the rows and columns in which we have no run."""
    rows = [row for row in table.rows if any(cell.runs for cell in row)]
    kept = [n for n in range(len(table.columns)) if n == 0 or any(row[n].runs for row in rows)]
    cells = tuple(tuple(row[n] for n in kept) for row in rows)
    return terminal_tables(replace(table, columns=tuple(table.columns[n] for n in kept), rows=cells), PAPER_SETTINGS)
