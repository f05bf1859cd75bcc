"""Tables as LaTeX (booktabs): cut to a width by columns and by rows, for one column and for two, without scaling."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reports.latex_text import GUARD, escape, unset_letters
from reports.latex_widths import LINE, SIZE, breakable, longest_piece, width, wrapped
from reports.model import BETWEEN, TONE_MARKS, Table, TableCell

LATEX_PACKAGES = ("array", "booktabs", "xcolor")
TEXT_WIDTH = 345.0
"""Points: the width of the text in LaTeX's article class."""
_HIGH = 390.0
"""Points of height that one float may take up."""
_GAP = 6.0  # between columns
_FIRST = (0.55, 0.48, 0.42, 0.36, 0.3)
"""Shares of the width that the first columns may take up: the widest of those that make the table lowest."""
_TONES = {"near": "teal", "uncertain": "orange!80!black", "apart": "red!75!black", "grey": "gray"}
_FLOATS = 8  # after so many, TeX is made to put them down


@dataclass(frozen=True)
class _Panel:
    """Some rows and columns of a table, as lines of LaTeX. height: in points."""

    lines: list[str]
    height: float


def latex(table: Table, points: float = TEXT_WIDTH) -> str:
    """One `table` environment, or several where the table is long; no line is wider than `points`.

    Columns that have no room beside the first ones stand below, with these again. In a document whose columns are
    narrower it spans both. The first lines name the packages, and what only some engines can set.
    """
    floats = list(_floats([*_panels(table, points), *_notes(table, points)]))
    texts = [table.title, *table.notes, *(column.label for column in table.columns)]
    unset = unset_letters([*texts, *(cell.text for row in table.rows for cell in row)])
    lines = [f"% needs \\usepackage{{{','.join(LATEX_PACKAGES)}}}"]
    if unset:
        lines += [f"% needs lualatex or xelatex, and a font that has them, for: {unset}", GUARD]
    lines.append(rf"\edef\nlbfloat{{table\ifdim\columnwidth<{points:g}pt *\fi}}")
    for number, panels in enumerate(floats):
        lines += [r"\clearpage"] if number and number % _FLOATS == 0 else []
        named = rf"\caption{{{_text(table.title)}.}}\label{{tab:{table.name}}}"
        again = rf"Table~\ref{{tab:{table.name}}}, continued ({number + 1} of {len(floats)})."
        lines += [r"\begin{\nlbfloat}", rf"\centering\begin{{minipage}}{{{points:g}pt}}\sloppy",
                  named if number == 0 else again, r"\par\medskip",
                  rf"\fontsize{{{SIZE:g}}}{{{LINE:g}}}\selectfont",
                  rf"\setlength{{\tabcolsep}}{{{_GAP / 2:g}pt}}"]  # fmt: skip
        for panel in panels:
            lines += [*panel.lines, r"\par\medskip"]
        lines += [r"\end{minipage}", r"\end{\nlbfloat}"]
    return "\n".join([*lines, ""])


def _text(text: str) -> str:
    return escape(breakable(text))


def _floats(panels: Sequence[_Panel]) -> Iterator[list[_Panel]]:
    """The panels, as many to a float as have room."""
    held: list[_Panel] = []
    for panel in panels:
        if held and sum(each.height for each in held) + panel.height > _HIGH:
            yield held
            held = []
        held.append(panel)
    yield held


def _notes(table: Table, points: float) -> Iterator[_Panel]:
    for note in table.notes:
        lines = math.ceil(1.1 * width(note) / points)
        yield _Panel([rf"{{\raggedright {_text(note)}\par}}"], LINE * lines + 6)


def _parts(cell: TableCell) -> list[str]:
    parts = cell.text.split(BETWEEN) if cell.stacked else [cell.text]
    return [*parts[:-1], parts[-1] + TONE_MARKS[cell.tone]]


@dataclass(frozen=True)
class _Widths:
    """Of each column: what its cells take up unbroken, and what they need at least where they may be broken."""

    natural: list[float]
    least: list[float]


def _measured(table: Table) -> _Widths:
    natural, least = [], []
    for position, column in enumerate(table.columns):
        cells = [row[position] for row in table.rows]
        head = max(width(word) for word in [*column.label.split(), ""])
        whole = max([head, *(width(part, cell.bold) for cell in cells for part in _parts(cell))])
        broken = max([head, *(longest_piece(breakable(part), cell.bold) for cell in cells for part in _parts(cell))])
        natural.append(whole + 0.5)
        least.append(min(whole, broken) + 0.5)
    return _Widths(natural, least)


def _shrunk(natural: Sequence[float], least: Sequence[float], budget: float) -> list[float]:
    """Widths of columns that share a budget: the widest give way, none below what it needs."""
    widths = list(natural)
    while sum(widths) + _GAP * len(widths) > budget:
        give = [n for n in range(len(widths)) if widths[n] > least[n] + 0.01]
        if not give:
            break
        widest = max(give, key=lambda n: widths[n])
        widths[widest] = max(least[widest], widths[widest] - 4)
    return widths


def _panels(table: Table, points: float) -> Iterator[_Panel]:
    """The table in parts that are narrow enough: first all rows of the first columns, then of the next ones."""
    measured = _measured(table)
    keys = next((n for n, column in enumerate(table.columns) if column.number), len(table.columns))
    keys = max(1, min(keys, len(table.columns) - 1)) if len(table.columns) > 1 else len(table.columns)
    natural = sum(measured.natural) + _GAP * len(measured.natural)
    if natural <= points:
        yield from _of_columns(table, list(range(len(table.columns))), measured.natural)
        return
    while keys > 1 and sum(measured.least[:keys]) + _GAP * keys > _FIRST[0] * points:
        keys -= 1
    ways = (list(_beside_first(table, measured, keys, share * points, points)) for share in _FIRST)
    yield from min(ways, key=lambda panels: sum(panel.height for panel in panels))


def _beside_first(table: Table, measured: _Widths, keys: int, budget: float, points: float) -> Iterator[_Panel]:
    """The parts of a table whose first `keys` columns share a budget, and stand before the others in each part."""
    first = _shrunk(measured.natural[:keys], measured.least[:keys], budget)
    left = points - sum(first) - _GAP * keys
    blocks: list[tuple[list[int], list[float]]] = []
    for column in range(keys, len(table.columns)):
        wanted = (
            measured.natural[column] if table.columns[column].number else min(measured.natural[column], 0.4 * points)
        )
        (wanted,) = _shrunk([max(wanted, measured.least[column])], [min(measured.least[column], left - _GAP)], left)
        if not blocks or sum(blocks[-1][1]) + _GAP * len(blocks[-1][1]) + wanted + _GAP > left:
            blocks.append(([], []))
        blocks[-1][0].append(column)
        blocks[-1][1].append(wanted)
    for columns, widths in blocks:
        yield from _of_columns(table, [*range(keys), *columns], [*first, *widths])


def _of_columns(table: Table, columns: Sequence[int], widths: Sequence[float]) -> Iterator[_Panel]:
    """These columns, in panels of as many rows as a float has room for."""
    broken = [_whole(table, column) > wide for column, wide in zip(columns, widths, strict=True)]
    sides = ["r" if table.columns[column].number else "l" for column in columns]
    kinds = "".join(map(_kind, sides, widths, broken))
    heads = [wrapped(table.columns[column].label, wide) for column, wide in zip(columns, widths, strict=True)]
    head = " & ".join(map(_head, heads, sides))
    top = [rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}", r"\toprule", rf"{head} \\", r"\midrule"]
    used = LINE * max(map(len, heads)) + 30
    held: list[str] = []
    height = used
    for row in table.rows:
        cells = [row[column] for column in columns]
        high = LINE * max(_lines(cell, wide) for cell, wide in zip(cells, widths, strict=True)) + 1
        if held and height + high > _HIGH:
            yield _Panel([*top, *held, r"\bottomrule", r"\end{tabular}"], height)
            held, height = [], used
        held.append(" & ".join(map(_cell, cells, broken)) + r" \\")
        height += high
    yield _Panel([*top, *held, r"\bottomrule", r"\end{tabular}"], height)


def _whole(table: Table, column: int) -> float:
    """Points that the widest cell of a column takes up on one line."""
    return max((width(part, row[column].bold) for row in table.rows for part in _parts(row[column])), default=0.0)


def _kind(side: str, wide: float, broken: bool) -> str:
    """How a column is set: broken into lines where its cells have no room."""
    ragged = "left" if side == "r" else "right"
    return rf">{{\ragged{ragged}\arraybackslash}}p{{{wide:.1f}pt}}" if broken else side


def _head(lines: Sequence[str], side: str) -> str:
    if len(lines) == 1:
        return escape(lines[0])
    inner = r"\\".join(map(escape, lines))
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{inner}\end{{tabular}}"


def _lines(cell: TableCell, wide: float) -> int:
    return sum(max(1, math.ceil(1.25 * width(part, cell.bold) / wide - 0.26)) for part in _parts(cell))


def _cell(cell: TableCell, broken: bool) -> str:
    text = (r" \newline " if broken else r" \\ ").join(map(_text, _parts(cell)))
    if cell.stacked and not broken:
        text = rf"\shortstack[r]{{{text}}}"
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    return rf"\textcolor{{{_TONES[cell.tone]}}}{{{text}}}" if cell.tone else text
