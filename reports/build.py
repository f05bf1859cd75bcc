"""From records to a report: tables, figures and the page, written into one folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table as TerminalTable

from reports import comparison, figure_style, figures, health, measures, page, provenance, rule_tables, tables, terminal
from reports.comparison import Joined
from reports.figure_ranks import critical_difference
from reports.figure_style import Drawn
from reports.folder import Folder
from reports.gather import Material, Section, gather, sections
from reports.health_table import health_table
from reports.page import Chapter
from reports.paper import paper_tables
from reports.render import csv_text, latex, markdown
from reports.reproduction import against_table
from results.aggregate import rule
from results.doubts import Redraw

TITLE = "Learning with noisy labels: results"
_PURPOSES = {
    "compare": "A comparison: one protocol for all methods.",
    "reproduce": "A reproduction: each method under its own paper's protocol; nothing is ranked.",
}


@dataclass(frozen=True)
class ReportSummary:
    """What a report says in the terminal; doubts: of `results.doubts`."""

    index: Path
    terminal_tables: tuple[TerminalTable, ...]
    warnings: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def build_report(
    records: Path, out: Path, *, select: str | None = None, paper: str | None = None, published: Path | None = None,
    against: Path | None = None, running: Collection[str] = (), suites: Collection[str] = (),
    redraw: Redraw | None = None,
) -> ReportSummary:  # fmt: skip
    """Write index.html, tables/*.{md,tex,csv} and figures/*.{svg,pdf,png} below `out`.

    records: a store, a folder of records or a .jsonl file. select: the selection rule (default: each suite's own).
    paper: name of a published table to set beside our runs; published: a user's own table of that form. against:
    others' records to compare with. running: addresses of runs that are being executed. suites: those to show (default:
    all). redraw: says whether a record's noisy labels are its specification's (see `results.doubts`).
    Raises ReportError or StoreError with one line; nothing is written before all tables are made.
    """
    if select is not None:
        rule(select)
    material = gather(records, running, suites, redraw)
    found = list(sections(material, select))
    own = [chapter(section) for section in found]
    beside = _published(found, paper, published, select)
    joined, others = comparison.join(found), _others(material, against, select)
    together = [] if joined is None else _together(joined)
    about_all = [health.marked(provenance.runs_table(found), found)]
    folder = Folder(out)
    _draw(found, own, joined, together, folder)
    chapters = [*beside, *own, *together, *others]
    for table in [*(table for part in chapters for table in (*part.tables, *part.appendix)), *about_all]:
        for suffix, render in (("md", markdown), ("tex", latex), ("csv", csv_text)):
            folder.write(f"tables/{table.name}.{suffix}", render(table))
    details, facts = provenance.run_details(found), provenance.facts(material)
    warned = [*material.warnings, *material.doubts]
    folder.write("index.html", page.write_page(TITLE, chapters, about_all, details, facts, warned))
    folder.tidy()
    shown = [each for part in beside for table in part.tables for each in terminal.paper_tables(table)]
    shown += [each for part in own for table in part.tables for each in terminal.terminal_tables(table)]
    hints = [f"{section.title}: {hint}" for section in found if (hint := rule_tables.order_hint(section))]
    warnings = (*material.warnings, *hints, *(line for part in others for line in part.warnings))
    return ReportSummary(out / "index.html", tuple(shown), warnings, material.doubts)


def chapter(section: Section) -> Chapter:
    """The text and tables of one suite; its pictures are added when they are drawn."""
    best = comparison.best_of(section)
    found = Chapter(f"suite-{section.name}", section.title, about=_about(section))
    found.tables = tables.accuracy_tables(section, best)
    if best is not None:
        found.warnings = rule_tables.order_lines(section)
        found.appendix += comparison.comparison_tables(section, best)
    found.appendix.append(rule_tables.rules_table(section))
    if best is not None:
        found.appendix += filter(None, [rule_tables.order_table(section)])
    others = (measures.detection_table, measures.measures_table, measures.noise_table)
    found.appendix += [table for make in others if (table := make(section)) is not None]
    found = _marked(found, [section])
    found.appendix += filter(None, [health_table(section)])  # it says by itself which runs are not sound
    return found


def _marked(part: Chapter, sections: list[Section]) -> Chapter:
    """The chapter with what its tables must say of runs that are not sound."""
    part.tables, part.appendix = (
        [health.marked(table, sections) for table in tables] for tables in (part.tables, part.appendix)
    )
    return part


def _about(section: Section) -> list[str]:
    plan = section.plan
    lines = [plan.get("description"), _PURPOSES[plan["purpose"]], plan.get("remark")]
    done = f"{len(section.frame)} of {len(plan['cells'])} runs are done"
    counts = {"collapsed": int(section.frame["collapsed_epoch"].notna().sum()),
              "diverged": len(health.diverged_runs(section))}  # fmt: skip
    unsound = [f"{count} {what}" for what, count in counts.items() if count]
    return [*(str(line) for line in lines if line), f"{', '.join([done, *unsound])}."]


def _published(found: list[Section], paper: str | None, published: Path | None, select: str | None) -> list[Chapter]:
    if paper is None and published is None:
        return []
    shown = paper_tables(found, paper, published, select)
    return [_marked(Chapter("published", "Published numbers and ours", tables=shown), found)]


def _others(material: Material, against: Path | None, select: str | None) -> list[Chapter]:
    if against is None:
        return []
    table, warnings = against_table(material, against, select)
    title = "Differences to other records"
    return [Chapter("against", title, tables=[table], warnings=warnings, warned="Notable differences")]


def _together(joined: Joined) -> list[Chapter]:
    """A chapter for what only several suites can show, if there is such; its picture is added when it is drawn."""
    found = comparison.joined_tables(joined)
    part = Chapter("across", joined.title, tables=found)
    return [_marked(part, joined.sections)] if found or not joined.ranks.reason else []


def _draw(
    found: list[Section], suites: list[Chapter], joined: Joined | None, together: list[Chapter], folder: Folder
) -> None:
    """Draw all figures into the chapters that they belong to."""
    with figure_style.house_style():
        for section, part in zip(found, suites, strict=True):
            for drawn in figures.draw(section):
                part.pictures.append(_written(drawn, [section], folder))
        if joined is not None and not joined.ranks.reason:
            drawn = critical_difference("critical-difference", joined.ranks, joined.select)
            together[0].pictures.append(_written(drawn, joined.sections, folder))


def _written(drawn: Drawn, sections: list[Section], folder: Folder) -> page.Picture:
    """A figure of the sections, whose caption says which of their runs are not sound."""
    drawn = replace(drawn, caption=" ".join(filter(None, (drawn.caption, health.sentence(sections)))))
    files = figure_style.rendered(drawn)
    for suffix, content in files.items():
        folder.write(f"figures/{drawn.name}.{suffix}", content)
    return page.picture(drawn, files["svg"].decode("utf-8"))
