"""`report`: turn records into tables, figures and one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.commands.options import DEFAULT_OUT, check_folder
from bench.errors import UserError


def report(
    records: Annotated[
        Path | None, typer.Option("--records", help="A store, a folder of records, or a .jsonl file (default: DIR).")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder DIR: writes DIR/report (default: output).")] = None,
    select: Annotated[
        str | None,
        typer.Option(help="Selection rule: last, last_mean, best_test, noisy_validation or clean_validation."),
    ] = None,
) -> None:
    """Write tables (Markdown, LaTeX, CSV), figures and one HTML page from records.

    Examples: `report`, `report --records results/reference --out DIR`, `report --select best_test`.
    """
    folder = out or DEFAULT_OUT
    check_folder(folder)
    source = records or folder
    if not source.exists():
        raise UserError(f"--records {source}: no such file or folder; `run` makes records")
    show(Console(), source, folder / "report", select)


def show(console: Console, source: Path, target: Path, select: str | None) -> None:
    """Build the report and print its table."""
    from reports.build import build_report

    summary = build_report(source, target, select=select)
    for table in summary.terminal_tables:
        console.print(table)
    for warning in summary.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    console.print(f"report: {target / 'index.html'}", highlight=False, soft_wrap=True)
