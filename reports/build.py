"""From records to a report: tables, figures and the page, written into one folder."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.table import Table as TerminalTable
from rich.text import Text

from reports import comparison, figure_style, figures, measures, page, provenance, tables
from reports.errors import ReportError
from reports.gather import Section, gather, sections
from reports.model import Table
from reports.paper import paper_tables
from reports.render import csv_text, latex, markdown
from reports.reproduction import against_table

_MANIFEST = "files.json"


@dataclass(frozen=True)
class ReportSummary:
    """What a report says in the terminal."""

    index: Path
    terminal_tables: tuple[TerminalTable, ...]
    warnings: tuple[str, ...]


@dataclass
class _Folder:
    """The report's folder. What an earlier report left there, and this one does not write, is removed at the end."""

    root: Path
    written: list[str] = field(default_factory=list)

    def write(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as fault:
            raise ReportError(f"cannot write {path}: {fault.strerror or fault}") from None
        self.written.append(path.relative_to(self.root).as_posix())

    def tidy(self) -> None:
        manifest = self.root / _MANIFEST
        try:
            earlier = json.loads(manifest.read_text("utf-8"))
        except (OSError, ValueError):
            earlier = []
        for name in earlier if isinstance(earlier, list) else []:
            stale = self.root / str(name)
            inside = stale.resolve().is_relative_to(self.root.resolve())
            if name not in self.written and inside and stale.suffix in _SUFFIXES:
                stale.unlink(missing_ok=True)
        self.write(manifest, (json.dumps(sorted(self.written), indent=0) + "\n").encode())


_SUFFIXES = {f".{suffix}" for suffix in (*figure_style.SUFFIXES, "md", "tex", "csv", "html")}


def build_report(
    records: Path, out: Path, *, select: str | None = None, paper: str | None = None, published: Path | None = None,
    against: Path | None = None, running: Collection[str] = (),
) -> ReportSummary:  # fmt: skip
    """Write index.html, tables/*.{md,tex,csv} and figures/*.{svg,pdf,png} below `out`.

    records: a store, a folder of records or a .jsonl file. select: the selection rule (default: each suite's own).
    paper: name of a published table to set beside our runs; published: a user's own table of that form. against:
    others' records to compare with. running: addresses of runs that are being executed.
    Raises ReportError or StoreError with one line.
    """
    material = gather(records, running)
    chapters, shown, warnings = [], [], []
    found = list(sections(material, select))
    folder = _Folder(out)
    with figure_style.house_style():
        for section in found:
            chapter = _chapter(section)
            for drawn in figures.draw(section):
                svg = figure_style.save(drawn, out / "figures", folder.write)
                chapter.pictures.append(page.picture(drawn, svg))
            chapters.append(chapter)
            shown += [part for table in chapter.tables[: len(section.datasets)] for part in _terminal(table)]
            if hint := tables.order_hint(section):
                warnings.append(f"{section.title}: {hint}")
    if paper is not None or published is not None:
        beside = page.Chapter(
            "published", "Published numbers and ours", tables=paper_tables(found, paper, published, select)
        )
        chapters.insert(0, beside)
        shown = [part for table in beside.tables for part in _terminal(_with_runs(table), 2)] + shown
    if against is not None:
        table, differences = against_table(material, against, select)
        chapters.append(
            page.Chapter(
                "against",
                "Differences to other records",
                tables=[table],
                warnings=differences,
                warned="Notable differences",
            )
        )
        warnings += differences
    about_all = [provenance.runs_table(found)]
    for table in [*(t for c in chapters for t in (*c.tables, *c.appendix)), *about_all]:
        _write_table(table, folder)
    text = page.write_page(
        "Learning with noisy labels: results", chapters, about_all, provenance.run_details(found),
        provenance.facts(material), material.warnings,
    )  # fmt: skip
    folder.write(out / "index.html", text.encode("utf-8"))
    folder.tidy()
    return ReportSummary(out / "index.html", tuple(shown), (*material.warnings, *warnings))


def _chapter(section: Section) -> page.Chapter:
    best = comparison.best_of(section)
    chapter = page.Chapter(section.name, section.title, about=_about(section))
    chapter.tables = tables.accuracy_tables(section, best)
    chapter.warnings = tables.order_lines(section)
    if best is not None:
        chapter.appendix += comparison.comparison_tables(section, best)
    chapter.appendix.append(tables.rules_table(section))
    others = (tables.order_table, measures.detection_table, measures.measures_table, measures.noise_table)
    chapter.appendix += [table for make in others if (table := make(section)) is not None]
    return chapter


def _about(section: Section) -> list[str]:
    done, planned = len(section.frame), len(section.plan["cells"])
    purpose = {
        "compare": "A comparison: one protocol for all methods.",
        "reproduce": "A reproduction: each method under its own paper's protocol; nothing is ranked.",
    }[section.plan["purpose"]]
    lines = [str(section.plan.get("description") or ""), purpose, str(section.plan.get("remark") or "")]
    return [*(line for line in lines if line), f"{done} of {planned} runs are done."]


def _write_table(table: Table, folder: _Folder) -> None:
    for suffix, render in (("md", markdown), ("tex", latex), ("csv", csv_text)):
        folder.write(folder.root / "tables" / f"{table.name}.{suffix}", render(table).encode("utf-8"))


_APART = ("method", "mean of settings", "passes", "images/s", "s/run", "privileges")


def _with_runs(table: Table) -> Table:
    """A paper table without the rows and columns in which we have no run."""
    rows = [row for row in table.rows if any(cell.runs for cell in row)]
    kept = [n for n in range(len(table.columns)) if n == 0 or any(row[n].runs for row in rows)]
    cells = tuple(tuple(row[n] for n in kept) for row in rows)
    return replace(table, columns=tuple(table.columns[n] for n in kept), rows=cells)


def _terminal(table: Table, at_once: int = 4) -> list[TerminalTable]:
    """The accuracies as terminal tables, a few settings each; what else stands beside them is in the files."""
    wanted = [n for n, column in enumerate(table.columns) if column.label not in _APART[1:]]
    mean = [n for n, column in enumerate(table.columns) if column.label == _APART[1]]
    settings, found = wanted[1:], []
    for start in range(0, len(settings), at_once):
        part = settings[start : start + at_once]
        last = start + at_once >= len(settings)
        shown = TerminalTable(title=table.title, title_justify="left", caption_justify="left",
                              caption="\n".join(table.notes[:2]) if last else None)  # fmt: skip
        for n in (places := [0, *part, *(mean if last else [])]):
            shown.add_column(table.columns[n].label, justify="right" if n else "left", overflow="fold")
        for row in table.rows:
            shown.add_row(*(Text(row[n].text, style="bold" if row[n].bold else "") for n in places))
        found.append(shown)
    return found
