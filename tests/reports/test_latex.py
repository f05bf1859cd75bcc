"""All LaTeX tables compile with pdflatex and the packages that they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from latex_tables import compile_tables, tables_of

from reports.gather import gather, sections
from reports.latex import latex
from reports.latex_text import GUARD, escape, unset_letters
from reports.model import BETWEEN, Column, Table, TableCell, words
from reports.paper import paper_tables
from results import published
from tests.synthetic_records import make_store

NASTY = r"\end{x} 50% & $ _ # { } ~ ^ < > | [ ] ± − – β λ² × ≤ é ü 汉字 “x” ✓ `a`"


def test_the_tables_of_a_report_compile(tmp_path: Path) -> None:
    rates = [("symmetric", 0.2), ("symmetric", 0.4), ("asymmetric", 0.4)]
    make_store(tmp_path / "store", settings=rates, seeds=range(4), size=40, epochs=3)
    present = tables_of(next(sections(gather(tmp_path / "store"))))
    assert any(len(table.rows) > 34 for table in present)
    for points, two in ((345, False), (239, True), (495, True)):
        compile_tables(tmp_path, present, points, two)


def test_the_paper_tables_compile(tmp_path: Path) -> None:
    make_store(tmp_path / "store", ["elr"], [("symmetric", 0.2)], [0], dataset="cifar10", size=40, epochs=3)
    found = list(sections(gather(tmp_path / "store")))
    names = published.keys()
    compile_tables(tmp_path, [table for name in names for table in paper_tables(found, name, None, None)])


def test_any_text_compiles(tmp_path: Path) -> None:
    cell = TableCell(BETWEEN.join((NASTY, NASTY)), bold=True, tone="near", stacked=True)
    columns = (Column(NASTY, False), Column(NASTY))
    short = Table("a_b-c.d", NASTY, columns, ((words(NASTY), cell),), (NASTY,))
    wide = Table("wide", "wide", columns, ((words(3 * NASTY), cell),))
    long = Table("long", NASTY, columns, ((words("[x]"), TableCell("*")),) * 94, (NASTY,))
    many = tuple(Column(f"vs Method number {n:02}, variant b") for n in range(60))
    rows = tuple((words(f"Method number {n:02}"), *[TableCell("10 / 0 / 2")] * 60) for n in range(60))
    compile_tables(tmp_path, [short, wide, long])
    compile_tables(
        tmp_path, [short, wide, long, Table("wins", "wins", (Column("method", False), *many), rows)], 239, two=True
    )


def test_a_row_may_begin_with_a_bracket() -> None:
    table = Table("t", "t", (Column("a", False),), ((words("[-1, 2]"),), (words("*"),)))
    lines = latex(table).splitlines()
    assert r"{[}-1, 2{]} \\" in lines
    assert not any(line.startswith(("[", "*")) for line in lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("β ≠ 0, λ = ½, σ = 0.7", r"$\beta$ $\neq$ 0, $\lambda$ = $\frac{1}{2}$, $\sigma$ = 0.7"),
        ("Café, Łódź", r"Caf\'{e}, \L{}\'{o}d\'{z}"),
        ("50% & $x_1$ ~ ± − “é”", r"50\% \& \$x\_1\$ \textasciitilde{} $\pm$ $-$ ``\'{e}''"),
        ("方 Α", r"\nlbletter{65B9} \nlbletter{0391}"),
        ("--epochs, 1–2", "-{}-epochs, 1--2"),
        ("it''s ,, ?‘", "it'{}'s ,{}, ?{}`"),
    ],
)
def test_no_letter_becomes_another(text: str, told: str) -> None:
    assert escape(text) == told


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex", "xelatex"])
def test_every_engine_sets_what_has_no_command_by_its_name(tmp_path: Path, engine: str) -> None:
    table = Table("t", "方法一", (Column("method", False),), ((words("方法一"),), (words("σ ≤ ½ ą ğ ﬁ 🙂"),)))
    text = latex(table)
    assert unset_letters(["方法一 方"]) == "方法一"
    assert text.splitlines()[1].endswith("for: 方法一ąﬁ🙂") and text.splitlines()[2] == GUARD
    compile_tables(tmp_path, [table], engine=engine)


def test_every_sign_of_the_table_is_set(tmp_path: Path) -> None:
    from reports import latex_text

    signs = [*latex_text._ESCAPES, *latex_text._MATHS, *"çñöŞŽąęőů"]
    rows = tuple((words(f"{sign} x"),) for sign in signs)
    compile_tables(tmp_path, [Table("signs", "signs", (Column("sign", False),), rows)])
