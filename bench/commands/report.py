"""`report`: turn records into tables, figures and one HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.api import functions
from bench.commands.options import DEFAULT_OUT, check_folder
from bench.sweep import terminal
from common.errors import UserError, shortened
from results.layout import Layout

_WIDTH = 140  # of tables where the output is no terminal


@dataclass(frozen=True)
class Wanted:
    """What a report shows beyond its default; see the options of `report`."""

    select: str | None = None
    paper: str | None = None
    published: Path | None = None
    against: Path | None = None
    suites: tuple[str, ...] = ()
    others: bool = False  # the records are another's: their noisy labels are drawn again


def report(
    records: Annotated[
        Path | None, typer.Option("--records", help="A store, a folder of records, or a .jsonl file (default: DIR).")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder DIR: writes DIR/report (default: output).")] = None,
    suites: Annotated[str | None, typer.Option(help="Only these suites, comma-separated.")] = None,
    select: Annotated[
        str | None,
        typer.Option(help="Selection rule: last, last_mean, best_test, noisy_validation or clean_validation."),
    ] = None,
    paper: Annotated[
        str | None, typer.Option(help="Set a published table beside our runs: elr-table1, cifar-n, car, ...")
    ] = None,
    published: Annotated[
        Path | None, typer.Option(help="A table of published numbers of your own (CSV, as results/published/).")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Others' records: differences with intervals, as a reproduction is checked.")
    ] = None,
) -> None:
    """Write tables (Markdown, LaTeX, CSV), figures and one HTML page from records.

    Examples:

    - `report`
    - `report --records results/reference --out DIR`
    - `report --suites cifar10-lite,cifar100-lite`
    - `report --paper elr-table1`
    """
    folder = out or DEFAULT_OUT
    check_folder(folder)
    source = records or folder
    for option, path in (("--records", source), ("--published", published), ("--against", against)):
        if path is not None and not path.exists():
            raise UserError(f"{option} {path}: no such file or folder")
    names = tuple(part.strip() for part in (suites or "").split(",") if part.strip())
    if suites is not None and not names:
        raise UserError("--suites: name at least one suite, such as --suites cifar10-lite,cifar100-lite")
    show(source, Layout(folder).report, Wanted(select, paper, published, against, names, records is not None))


def show(source: Path, target: Path, wanted: Wanted) -> None:
    """Build the report and print its main tables."""
    console = terminal.console()
    if not console.is_terminal:
        console = terminal.console(width=_WIDTH)
    summary = functions.report(
        source,
        target,
        suites=wanted.suites,
        select=wanted.select,
        paper=wanted.paper,
        published=wanted.published,
        against=wanted.against,
        redraw=wanted.others,
    )
    for table in summary.terminal_tables:
        console.print(table)
    for warning in summary.warnings:
        console.print(shortened(f"warning: {warning}"), style="yellow", highlight=False, soft_wrap=True)
    for doubt in summary.doubts:
        console.print(shortened(f"note: {doubt}"), style="yellow", highlight=False, soft_wrap=True)
    console.print(f"report: {target / 'index.html'}", highlight=False, soft_wrap=True)
