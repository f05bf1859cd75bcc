"""From records to a report: tables, figures and the page, written into one folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as TerminalTable

from reports import (
    comparison,
    competition,
    health,
    leaderboard,
    measures,
    page,
    page_curves,
    provenance,
    rule_tables,
    tables,
    terminal,
)
from reports.commands import Commands, PlannedNow, commands_text
from reports.competition import Joined
from reports.drawing import Tell, begun, draw_all, nothing
from reports.folder import Folder
from reports.gather import Material, Section, gather, sections
from reports.health_table import health_table
from reports.latex import TEXT_WIDTH, latex
from reports.latex_text import unset_letters
from reports.leaderboard import MethodFacts
from reports.model import Table
from reports.page import Chapter
from reports.paper import paper_tables
from reports.paper_cells import Prices
from reports.print_style import Printed
from reports.render import csv_text, markdown
from reports.reproduction import against_table
from reports.table_choice import chosen
from results.aggregate import rule
from results.doubts import Redraw
from results.places import places

TITLE = "Learning with noisy labels: results"
_PURPOSES = {
    "compare": "A comparison: one protocol for all methods.",
    "reproduce": "A reproduction: each method under its own paper's protocol; nothing is ranked.",
}


@dataclass(frozen=True)
class ReportSummary:
    """What a report says in the terminal; index: the page, of a printed one its folder; doubts: of `results.doubts`."""

    index: Path
    terminal_tables: tuple[TerminalTable, ...]
    warnings: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def build_report(
    records: Path, out: Path, *, select: str | None = None, paper: str | None = None, published: Path | None = None,
    against: Path | None = None, running: Collection[str] = (), suites: Collection[str] = (),
    redraw: Redraw | None = None, prices: Prices | None = None, networks: Mapping[str, str] | None = None,
    methods: Mapping[str, MethodFacts] | None = None, planned: PlannedNow | None = None,
    printed: Printed | None = None, tell: Tell = nothing, processes: int = 1,
) -> ReportSummary:  # fmt: skip
    """Write index.html with the pages that it leads to, tables/*.{md,tex,csv}, tables/commands.csv and
    figures/*.{svg,pdf,png,csv} below `out`.

    records: a store, a folder of records or a .jsonl file. select: the selection rule (default: each suite's own).
    paper: name of a published table to set beside our runs; published: a user's own table of that form. against:
    others' records to compare with. running: addresses of runs that are being executed. suites: those to show (default:
    all). redraw: says whether a record's noisy labels are its specification's (see `results.doubts`). prices: of
    what has not been run of a published table; networks: what those are that differ from a published number's.
    methods: what the leaderboard says of methods by registry name. planned: says what a suite would run today (see
    `reports.commands`). printed: for a paper: figures of one width, each with its float as figures/*.tex, chosen
    tables, and no page. tell: is called with what is being done, in a few words. processes: so many draw
    figures at once.
    Raises ReportError or StoreError with one line; nothing is written before all tables are made.
    """
    if select is not None:
        rule(select)
    tell("reading the records")
    material = gather(records, running, suites, redraw)
    all_sections = list(sections(material, select))
    with begun(all_sections, printed, processes) as work:
        own = [_told(chapter, section, tell) for section in all_sections]
        beside = _published(all_sections, paper, published, select, prices, networks)
        joined, others = competition.join(all_sections), _others(material, against, select)
        together = [] if joined is None else _together(joined)
        chapters = [*beside, *own, *together, *others]
        made = [table for part in chapters for table in (*part.tables, *part.appendix)]
        about_all = [health.marked(provenance.runs_table(all_sections), all_sections)]
        if printed is not None:
            made, about_all = chosen(made, printed.choice, _row_titles(all_sections)), []
        folder, commands = Folder(out), Commands(all_sections, planned)
        tell("writing tables")
        _write_tables([*made, *about_all], folder, TEXT_WIDTH if printed is None else printed.points)
        folder.write("tables/commands.csv", commands_text([*made, *about_all], commands, _suites_of(all_sections, own)))
        unset = draw_all(all_sections, own, joined, together, folder, work, printed, tell)
        if printed is None:
            tell("writing pages")
            _write_pages(material, own, chapters, about_all, commands, methods or {}, folder)
        folder.tidy()
        shown = [each for part in beside for table in part.tables for each in terminal.paper_tables(table)]
        shown += [each for part in own for table in part.tables for each in terminal.terminal_tables(table)]
        warnings = (*material.warnings, *unset, *_hints(all_sections, chapters), *_warned(others))
        return ReportSummary(out / "index.html" if printed is None else out, tuple(shown), warnings, material.doubts)


def _warned(chapters: Iterable[Chapter]) -> list[str]:
    return [line for part in chapters for line in part.warnings]


def _hints(all_sections: Sequence[Section], chapters: Sequence[Chapter]) -> list[str]:
    """What is said on the terminal of the orders of rows, and of letters in tables."""
    letters = unset_letters(table_texts(chapters))
    unset = f"LaTeX tables: {letters} needs lualatex or xelatex with a font that has it; pdflatex names it U+..."
    hints = [f"{section.title}: {hint}" for section in all_sections if (hint := rule_tables.order_hint(section))]
    return [*([unset] if letters else []), *hints]


def _row_titles(all_sections: Sequence[Section]) -> dict[str, str]:
    return {row: title for section in all_sections for row, title in section.methods.items()}


def _suites_of(all_sections: Sequence[Section], own: Sequence[Chapter]) -> dict[str, str]:
    """Name of a table -> the suite that it is of."""
    return {
        table.name: str(section.plan["suite"])
        for section, part in zip(all_sections, own, strict=True) for table in (*part.tables, *part.appendix)
    }  # fmt: skip


def _write_tables(made: Iterable[Table], folder: Folder, points: float) -> None:
    for table in made:
        for suffix, content in (("md", markdown(table)), ("tex", latex(table, points)), ("csv", csv_text(table))):
            folder.write(f"tables/{table.name}.{suffix}", content)


def _write_pages(
    material: Material, own: Sequence[Chapter], chapters: Sequence[Chapter], about_all: Sequence[Table],
    commands: Commands, methods: Mapping[str, MethodFacts], folder: Folder,
) -> None:  # fmt: skip
    all_sections = commands.sections
    details, facts = provenance.run_details(all_sections, commands), provenance.facts(material)
    ranked = leaderboard.in_order(
        leaderboard.boards(section, part.name, methods) for section, part in zip(all_sections, own, strict=True)
    )
    warned = [*material.warnings, *material.doubts]
    for name, text in page.write_pages(TITLE, ranked, chapters, about_all, details, facts, warned):
        folder.write(name, text)


def _told(make: Callable[[Section], Chapter], section: Section, tell: Tell) -> Chapter:
    tell(f"tables of {section.title}")
    return make(section)


def chapter(section: Section) -> Chapter:
    """The text and tables of one suite; its pictures are added when they are drawn."""
    best = competition.best_of(section)
    ranks = {} if best is None else places(best)
    part = Chapter(f"suite-{section.name}", section.title, about=_about(section))
    part.curves = page_curves.curves_data(section, ranks)
    part.tables = tables.accuracy_tables(section, best)
    if best is not None:
        part.warnings = rule_tables.order_lines(section)
        part.appendix += comparison.comparison_tables(section, best)
    part.appendix.append(rule_tables.rules_table(section))
    if best is not None:
        part.appendix += filter(None, [rule_tables.order_table(section)])
    others = (measures.detection_table, measures.measures_table, measures.noise_table)
    part.appendix += [table for make in others if (table := make(section)) is not None]
    part = _marked(part, [section])
    part.appendix += filter(None, [health_table(section)])  # it says by itself which runs are not sound
    return part


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


def _published(
    all_sections: list[Section], paper: str | None, published: Path | None, select: str | None, prices: Prices | None,
    networks: Mapping[str, str] | None,
) -> list[Chapter]:  # fmt: skip
    if paper is None and published is None:
        return []
    shown = paper_tables(all_sections, paper, published, select, prices, networks)
    return [_marked(Chapter("published", "Published numbers and ours", tables=shown), all_sections)]


def _others(material: Material, against: Path | None, select: str | None) -> list[Chapter]:
    if against is None:
        return []
    table, warnings = against_table(material, against, select)
    title = "Differences to other records"
    return [Chapter("against", title, tables=[table], warnings=warnings, warned="Notable differences")]


def _together(joined: Joined) -> list[Chapter]:
    """A chapter for what only several suites can show, if there is such; its picture is added when it is drawn."""
    joined_tables = comparison.joined_tables(joined)
    part = Chapter("across", joined.title, tables=joined_tables)
    return [_marked(part, joined.sections)] if joined_tables or not joined.ranks.reason else []


def table_texts(chapters: Iterable[Chapter]) -> list[str]:
    """All texts of the chapters' tables."""
    return [
        text for part in chapters for table in (*part.tables, *part.appendix)
        for text in (table.title, *table.notes, *(column.label for column in table.columns),
                     *(cell.text for row in table.rows for cell in row))
    ]  # fmt: skip
