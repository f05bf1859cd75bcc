"""The tables of a suite, and whether LaTeX sets them as they are meant."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from reports import comparison, competition, measures, rule_tables, tables
from reports.gather import Section
from reports.latex import LATEX_PACKAGES, latex
from reports.model import Table
from reports.provenance import runs_table


def tables_of(section: Section) -> list[Table]:
    """All tables that a report has of a suite that compares."""
    best = competition.best_of(section)
    assert best is not None
    made = [*tables.accuracy_tables(section, best), *comparison.comparison_tables(section, best),
            rule_tables.rules_table(section), rule_tables.order_table(section), measures.detection_table(section),
            measures.measures_table(section), measures.noise_table(section), runs_table([section])]  # fmt: skip
    return [table for table in made if table is not None]


def compile_tables(
    folder: Path, found: list[Table], points: float = 345, two: bool = False, engine: str = "pdflatex"
) -> None:
    """Set the tables, and hold that no box is overfull and no letter is missing."""
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed (texlive-latex-recommended)")
    parts = [latex(table, points) for table in found]
    packages = "".join(rf"\usepackage{{{name}}}" for name in LATEX_PACKAGES)
    packages += r"\usepackage[textwidth=495pt,columnsep=17pt]{geometry}" if two else ""
    kind = "twocolumn" if two else "onecolumn"
    head = rf"\documentclass[{kind}]{{article}}{packages}\begin{{document}}"
    text = "\n".join([head, *(part + r"\clearpage" for part in parts), r"\end{document}"])
    (folder / "all.tex").write_text(text, "utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "all.pdf").stat().st_size > 1000
    bad = ("Overfull", "too large for page", "Missing character")
    assert [line for line in done.stdout.splitlines() if any(word in line for word in bad)] == []
