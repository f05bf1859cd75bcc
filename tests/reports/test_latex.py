"""All LaTeX tables compile with pdflatex and the packages that they name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from reports import comparison, measures, rule_tables, tables
from reports.gather import gather, sections
from reports.model import BETWEEN, Cell, Column, Table, words
from reports.paper import paper_tables
from reports.provenance import runs_table
from reports.render import LATEX_PACKAGES, LONG, latex
from results import published
from tests.synthetic_records import make_store

NASTY = r"\end{x} 50% & $ _ # { } ~ ^ < > | [ ] ± − – β λ² × ≤ é ü 汉字 “x” ✓ `a`"


def _compile(folder: Path, found: list[Table]) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (texlive-latex-recommended)")
    parts = [latex(table) for table in found]
    packages = "".join(rf"\usepackage{{{name}}}" for name in LATEX_PACKAGES)
    head = rf"\documentclass{{article}}{packages}\begin{{document}}"
    (folder / "all.tex").write_text("\n".join([head, *(part + r"\clearpage" for part in parts), r"\end{document}"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "all.pdf").stat().st_size > 1000


def test_the_tables_of_a_report_compile(tmp_path: Path) -> None:
    rates = [("symmetric", 0.2), ("symmetric", 0.4), ("asymmetric", 0.4)]
    make_store(tmp_path / "store", settings=rates, seeds=range(4), size=40, epochs=3)
    found = list(sections(gather(tmp_path / "store")))
    section = found[0]
    best = comparison.best_of(section)
    assert best is not None
    made = [*tables.accuracy_tables(section, best), *comparison.comparison_tables(section, best),
            rule_tables.rules_table(section), rule_tables.order_table(section), measures.detection_table(section),
            measures.measures_table(section), measures.noise_table(section), runs_table(found)]  # fmt: skip
    present = [table for table in made if table is not None]
    assert any(len(table.rows) > LONG for table in present)
    _compile(tmp_path, present)


def test_the_paper_tables_compile(tmp_path: Path) -> None:
    make_store(tmp_path / "store", ["elr"], [("symmetric", 0.2)], [0], dataset="cifar10", size=40, epochs=3)
    found = list(sections(gather(tmp_path / "store")))
    names = published.keys()
    _compile(tmp_path, [table for name in names for table in paper_tables(found, name, None, None)])


def test_any_text_compiles(tmp_path: Path) -> None:
    cell = Cell(BETWEEN.join((NASTY, NASTY)), bold=True, tone="near", stacked=True)
    columns = (Column(NASTY, False), Column(NASTY))
    short = Table("a_b-c.d", NASTY, columns, ((words(NASTY), cell),), (NASTY,))
    wide = Table("wide", "wide", columns, ((words(3 * NASTY), cell),))
    long = Table("long", NASTY, columns, ((words("[x]"), Cell("*")),) * (LONG + 60), (NASTY,))
    _compile(tmp_path, [short, wide, long])


def test_a_row_may_begin_with_a_bracket() -> None:
    table = Table("t", "t", (Column("a", False),), ((words("[-1, 2]"),), (words("*"),)))
    lines = latex(table).splitlines()
    assert r"{[}-1, 2{]} \\" in lines
    assert not any(line.startswith(("[", "*")) for line in lines)
