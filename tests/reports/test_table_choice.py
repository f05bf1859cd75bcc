"""What of the tables a paper shows: tables, columns, rows, order, decimals, captions."""

from __future__ import annotations

import math

import pytest

from reports.errors import ReportError
from reports.latex import latex
from reports.model import Column, Table, TableCell, mean_text, percent, percent_cell, with_decimals, words
from reports.table_choice import TableChoice, chosen

TITLES = {"cross_entropy": "Cross-entropy", "elr_b": "ELR (β ≠ 0)", "car": "CAR"}
MEANS = {"Cross-entropy": (0.62449, 0.0104), "ELR (β ≠ 0)": (0.8, math.nan), "CAR": (0.86449, 0.0204)}


def _accuracy() -> Table:
    columns = (Column("method", False), Column("clean"), Column("symmetric 40%"), Column("privileges", False))
    rows = []
    for title, (mean, std) in MEANS.items():
        text = f"{mean_text(mean, std, 3)} †"
        cells = (percent_cell(1 - mean), TableCell(text, mean, fractions=(mean, std)), words("–"))
        rows.append((words(title), *cells))
    return Table("quick-accuracy", "Quick: accuracy", columns, tuple(rows), ("A note.",))


def _differences() -> Table:
    columns = (Column("setting", False), Column("method", False), Column("difference"))
    values = {("s1", "CAR"): 0.012449, ("s1", "ELR (β ≠ 0)"): -0.1, ("s2", "CAR"): 0.2, ("s2", "ELR (β ≠ 0)"): 0.3}
    rows = tuple((*map(words, place), percent_cell(value, sign=True)) for place, value in values.items())
    return Table("quick-differences", "Quick: differences", columns, rows)


def _first(table: Table, place: int = 0) -> list[str]:
    return [row[place].text for row in table.rows]


def test_columns_stand_in_the_order_asked_for_behind_the_names() -> None:
    accuracy, differences = chosen(
        [_accuracy(), _differences()], TableChoice(columns=["privileges", "Symmetric-40%"]), TITLES
    )
    assert [column.label for column in accuracy.columns] == ["method", "privileges", "symmetric 40%"]
    assert differences == _differences()  # it has none of them


def test_rows_are_named_by_row_or_title_and_stand_in_that_order() -> None:
    accuracy, differences = chosen([_accuracy(), _differences()], TableChoice(rows=["elr-b", "car"]), TITLES)
    assert _first(accuracy) == ["ELR (β ≠ 0)", "CAR"]
    assert accuracy.notes[-1] == "2 of 3 rows are shown; ranks, tests and what is bold are of all."
    assert list(zip(_first(differences), _first(differences, 1), strict=True)) == [
        ("s1", "ELR (β ≠ 0)"), ("s1", "CAR"), ("s2", "ELR (β ≠ 0)"), ("s2", "CAR"),
    ]  # fmt: skip


def test_rows_are_sorted_by_a_column() -> None:
    (best,) = chosen([_accuracy()], TableChoice(order="symmetric 40%"), TITLES)
    assert _first(best) == ["CAR", "ELR (β ≠ 0)", "Cross-entropy"]
    (worst,) = chosen([_accuracy()], TableChoice(order="-symmetric 40%"), TITLES)
    assert _first(worst) == _first(best)[::-1]
    (letters,) = chosen([_accuracy()], TableChoice(order="method"), TITLES)
    assert _first(letters) == sorted(_first(best), key=str.casefold)


def test_decimals_are_rounded_from_the_number_itself() -> None:
    accuracy, differences = chosen([_accuracy(), _differences()], TableChoice(decimals=1), TITLES)
    assert _first(accuracy, 2) == [
        "62.4 ± 1.0 (3) †",
        "80.0 (3) †",
        "86.4 ± 2.0 (3) †",
    ]  # 86.449 is not 86.45, then 86.5
    assert _first(differences, 2)[:2] == ["+1.2", "−10.0"]
    assert _first(chosen([_accuracy()], TableChoice(decimals=0), TITLES)[0], 1)[0] == "38"


def test_a_deviation_is_not_taken_for_the_difference_behind_it() -> None:
    text = "86.42 ± 0.31 (3) | 86.11 ± 0.20 (5) | +0.31"
    cell = TableCell(text, stacked=True, fractions=(0.8642, 0.0031, 0.8611, 0.002, 0.0031))
    assert with_decimals(cell, 1).text == "86.4 ± 0.3 (3) | 86.1 ± 0.2 (5) | +0.3"


@pytest.mark.parametrize("digits", [0, 1, 3, 4])
@pytest.mark.parametrize("fraction", [0.0, 0.123456, -0.00004, 1.0, math.nan])
def test_cells_of_one_number_are_as_if_written_so(fraction: float, digits: int) -> None:
    assert with_decimals(percent_cell(fraction, sign=True), digits).text == percent(fraction, digits, sign=True)


def test_tables_and_captions() -> None:
    choice = TableChoice(tables=["quick_accuracy"], captions={"quick-accuracy": "What 50% & more do."})
    (table,) = chosen([_accuracy(), _differences()], choice, TITLES)
    assert r"\caption{What 50\% \& more do.}\label{tab:quick-accuracy}" in latex(table)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (TableChoice(tables=["quick"]), "--table: unknown table 'quick'"),
        (TableChoice(columns=["symetric 40%"]), "--column: unknown column 'symetric 40%'; did you mean 'symmetric"),
        (TableChoice(rows=["ELF"]), "--row: unknown row 'ELF'"),
        (TableChoice(order="accuracy"), "--order: unknown column 'accuracy'"),
        (TableChoice(decimals=5), "--decimals 5: accepted: 0 to 4"),
        (TableChoice(captions={"quick": "x"}), "--caption: unknown table 'quick'"),
    ],
)  # fmt: skip
def test_a_name_that_no_table_has_is_refused(choice: TableChoice, told: str) -> None:
    with pytest.raises(ReportError) as caught:
        chosen([_accuracy(), _differences()], choice, TITLES)
    assert str(caught.value).startswith(told) and "\n" not in str(caught.value)
