"""`report`: turn records into tables, figures and one HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.api import functions
from bench.commands.options import DEFAULT_OUT, Plugin, check_folder
from bench.commands.report_style import TableOptions, printed_of
from bench.sweep import terminal
from common.allotment import processors
from common.errors import UserError, shortened
from reports.print_style import Printed
from results.layout import Layout

_WIDTH = 140  # of tables where the output is no terminal
_ENOUGH = 4  # processes that draw: each takes some 300 MB


@dataclass(frozen=True)
class Wanted:
    """What a report shows beyond its default; see the options of `report`."""

    select: str | None = None
    paper: str | None = None
    published: Path | None = None
    against: Path | None = None
    suites: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()
    others: bool = False  # the records are another's: their noisy labels are drawn again
    printed: Printed | None = None


Style = Annotated[
    str,
    typer.Option(
        metavar="screen|paper", help="For a screen (pages), or for a paper (figures and LaTeX tables of one width)."
    ),
]
Width = Annotated[
    str | None,
    typer.Option(metavar="LENGTH", help="With --style paper: of a column, in mm, cm, in or pt: 84mm, 174mm."),
]
Tables = Annotated[
    list[str] | None, typer.Option("--table", help="With --style paper: only this table; may be given several times.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="With --style paper: only this column; several in the order given."),
]
Rows = Annotated[
    list[str] | None, typer.Option("--row", help="With --style paper: only this row; several in the order given.")
]
Order = Annotated[
    str | None,
    typer.Option(metavar="[-]COLUMN", help="With --style paper: sort rows by it, best first; -COLUMN: last."),
]
Decimals = Annotated[
    int | None, typer.Option(metavar="0-4", help="With --style paper: of percent and points (default: 2).")
]
Captions = Annotated[
    list[str] | None,
    typer.Option("--caption", metavar="TABLE=TEXT", help="With --style paper: the caption of a table."),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Processes that draw figures (default: one per processor, 4 at most)."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say on standard error what is being done, in a pipe too.")
]


Records = Annotated[
    Path | None, typer.Option("--records", help="A store, a folder of records, or a .jsonl file (default: DIR).")
]
Folder = Annotated[Path | None, typer.Option("--out", "-o", help="Folder DIR: writes DIR/report (default: output).")]
Suites = Annotated[str | None, typer.Option(help="Only these suites, comma-separated.")]
Select = Annotated[
    str | None, typer.Option(help="Selection rule: last, last_mean, best_test, noisy_validation, ... (`list rules`).")
]
Paper = Annotated[str | None, typer.Option(help="Set a published table beside our runs: elr-table1, cifar-n, car, ...")]
Published = Annotated[
    Path | None, typer.Option(help="A table of published numbers of your own (CSV, as results/published/).")
]
Against = Annotated[
    Path | None, typer.Option(help="Others' records: differences with intervals, as a reproduction is checked.")
]


def report(
    records: Records = None, out: Folder = None, suites: Suites = None, select: Select = None, paper: Paper = None,
    published: Published = None, against: Against = None, plugin: Plugin = None, style: Style = "screen",
    width: Width = None, table: Tables = None, column: Columns = None, row: Rows = None, order: Order = None,
    decimals: Decimals = None, caption: Captions = None, jobs: Jobs = None, verbose: Verbose = False,
) -> None:  # fmt: skip
    """Write tables (Markdown, LaTeX, CSV), figures and one HTML page from records.

    Examples:

    - `report`
    - `report --records results/reference --out DIR`
    - `report --suites cifar10-lite,cifar100-lite`
    - `report --paper elr-table1`
    - `report --style paper --width 84mm --column "symmetric 40%" --decimals 1`
    """
    folder = out or DEFAULT_OUT
    check_folder(folder)
    printed = printed_of(style, width, TableOptions(table, column, row, order, decimals, caption))
    source = records or folder
    for option, path in (("--records", source), ("--published", published), ("--against", against)):
        if path is not None and not path.exists():
            raise UserError(f"{option} {path}: no such file or folder")
    names = tuple(part.strip() for part in (suites or "").split(",") if part.strip())
    if suites is not None and not names:
        raise UserError("--suites: name at least one suite, such as --suites cifar10-lite,cifar100-lite")
    layout = Layout(folder)
    show(
        source,
        layout.report if printed is None else layout.paper,
        Wanted(select, paper, published, against, names, tuple(plugin or ()), records is not None, printed),
        verbose,
        jobs or min(processors().amount, _ENOUGH),
    )


def show(source: Path, target: Path, wanted: Wanted, verbose: bool = False, processes: int = 1) -> None:
    """Build the report and print its main tables; of one for a paper, where it is."""
    console = terminal.console()
    if not console.is_terminal:
        console = terminal.console(width=_WIDTH)
    with terminal.at_work(verbose) as tell:
        summary = functions.report(
            source,
            target,
            suites=wanted.suites,
            select=wanted.select,
            paper=wanted.paper,
            published=wanted.published,
            against=wanted.against,
            plugins=wanted.plugins,
            redraw=wanted.others,
            printed=wanted.printed,
            processes=processes,
            tell=tell,
        )
    for table in summary.terminal_tables if wanted.printed is None else ():
        console.print(table)
    for warning in summary.warnings:
        console.print(shortened(f"warning: {warning}"), style="yellow", highlight=False, soft_wrap=True)
    for doubt in summary.doubts:
        console.print(shortened(f"note: {doubt}"), style="yellow", highlight=False, soft_wrap=True)
    what = "report" if wanted.printed is None else "figures and tables"
    console.print(f"{what}: {summary.index}", highlight=False, soft_wrap=True)
