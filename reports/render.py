"""Tables as Markdown, LaTeX (booktabs) and CSV: pure functions of a table, byte for byte the same every time."""

from __future__ import annotations

import csv
import io
import unicodedata

import pandas as pd

from reports.model import BETWEEN, Cell, Table
from results.csv_text import formula_free

LATEX_PACKAGES = ("booktabs", "longtable", "graphicx", "xcolor")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", '"': "''", "`": r"\textasciigrave{}", "“": "``",
    "”": "''", "’": "'", "±": r"$\pm$", "−": r"$-$", "–": "--", "—": "---", "×": r"$\times$", "≤": r"$\leq$",
    "≥": r"$\geq$", "≈": r"$\approx$", "→": r"$\to$", "·": r"$\cdot$", "²": r"$^2$", "°": r"$^\circ$",
    "…": r"\ldots{}", "β": r"$\beta$", "λ": r"$\lambda$", "δ": r"$\delta$", "Δ": r"$\Delta$",
    "†": r"$\dagger$", "‡": r"$\ddagger$", "✓": r"$\surd$", "✗": r"$\times$",
}  # fmt: skip
_LATEX_TONES = {"near": "teal", "uncertain": "orange!80!black", "apart": "red!75!black", "grey": "gray"}
TONE_MARKS = {"near": " ✓", "uncertain": " ~", "apart": " ✗", "grey": "", "": ""}
"""What says the same as a cell's colour to those who don't see it."""
_MARKDOWN = str.maketrans({"|": "\\|", "\n": " ", "*": "\\*", "_": "\\_", "`": "\\`", "<": "&lt;", "[": "\\[",
                           "]": "\\]"})  # fmt: skip
WIDE = 88
"""Characters of a row beyond which a LaTeX table is scaled to the text's width."""
LONG = 34
"""Rows beyond which a LaTeX table may break over pages."""


def latex_escape(text: str) -> str:
    """Plain text as LaTeX that pdflatex accepts; letters outside Latin-1 become their closest ones, or "?"."""
    return "".join(_LATEX[letter] if letter in _LATEX else _plain_letter(letter) for letter in text)


def _plain_letter(letter: str) -> str:
    if letter.isspace():
        return " "
    if " " <= letter <= "~" or "À" <= letter <= "ÿ":
        return letter
    return "".join(part for part in unicodedata.normalize("NFKD", letter) if " " <= part <= "~") or "?"


def _parts(cell: Cell) -> list[str]:
    return cell.text.split(BETWEEN) if cell.stacked else [cell.text]


def _latex_cell(cell: Cell) -> str:
    text = r" \\ ".join(map(latex_escape, _parts(cell))) + latex_escape(TONE_MARKS[cell.tone])
    if cell.stacked:
        text = rf"\shortstack[r]{{{text}}}"
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    return rf"\textcolor{{{_LATEX_TONES[cell.tone]}}}{{{text}}}" if cell.tone else text


def latex(table: Table) -> str:
    """A `table` environment, or a `longtable` where there are many rows; its first line names the packages."""
    head = " & ".join(latex_escape(column.label) for column in table.columns) + r" \\"
    rows = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    align = "".join("r" if column.number else "l" for column in table.columns)
    notes = " ".join(latex_escape(note) for note in table.notes)
    caption = latex_escape(table.title) + ("." if not notes else f". {notes}")
    names = [rf"\caption{{{caption}}}", rf"\label{{tab:{table.name}}}"]
    top = f"% needs \\usepackage{{{','.join(LATEX_PACKAGES)}}}"
    lines = _long(align, head, rows, names) if len(rows) > LONG else _short(table, align, head, rows, names)
    return "\n".join([top, *lines, ""])


def _short(table: Table, align: str, head: str, rows: list[str], names: list[str]) -> list[str]:
    widths = (sum(max(map(len, _parts(cell))) + 2 for cell in row) for row in table.rows)
    headings = sum(len(column.label) + 2 for column in table.columns)
    scaled = max([headings, *widths]) > WIDE
    body = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]
    if scaled:
        body = [r"\resizebox{\textwidth}{!}{%", *body[:-1], body[-1] + "}"]
    return [r"\begin{table}", r"\centering", *names, *body, r"\end{table}"]


def _long(align: str, head: str, rows: list[str], names: list[str]) -> list[str]:
    again = [r"\toprule", head, r"\midrule"]
    first = ["".join(names) + r" \\", *again, r"\endfirsthead"]
    return [r"{\scriptsize\setlength{\tabcolsep}{3pt}", rf"\begin{{longtable}}{{{align}}}", *first, *again, r"\endhead",
            *rows, r"\bottomrule", r"\end{longtable}}"]  # fmt: skip


def markdown(table: Table) -> str:
    """A heading, a pipe table, and the notes as a list."""
    head = [column.label.translate(_MARKDOWN) for column in table.columns]
    rule = ["---:" if column.number else ":---" for column in table.columns]
    rows = [[_markdown_cell(cell) for cell in row] for row in table.rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
    notes = [f"- {note.translate(_MARKDOWN)}" for note in table.notes]
    return "\n".join([f"### {table.title.translate(_MARKDOWN)}", "", *lines, *([""] if notes else []), *notes, ""])


def _markdown_cell(cell: Cell) -> str:
    text = cell.text.translate(_MARKDOWN)
    return f"**{text}**" if cell.bold and text else text + TONE_MARKS[cell.tone]


def csv_text(table: Table) -> str:
    """The table's data: numbers with a dot and in full precision, one header line."""
    columns, rows = table.data or ([c.label for c in table.columns], [[cell.text for cell in r] for r in table.rows])
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([formula_free(column) for column in columns])
    writer.writerows([["" if _is_missing(value) else formula_free(value) for value in row] for row in rows])
    return stream.getvalue()


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)
