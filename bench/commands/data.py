"""`data fetch NAME` and `data check NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from datasets import cifar, registry
from datasets.fetch import Progress as Report
from datasets.fetch import fetch as fetch_files

app = typer.Typer(help="Download and check data sets.", no_args_is_help=True)

Root = Annotated[
    Path | None,
    typer.Option("--data", help="The data directory (default: NOISY_BENCH_DATA, else a per-user cache)."),
]
Name = Annotated[str, typer.Argument(help="A data set (see `list datasets`).")]


def _plain_lines(console: Console) -> Report:
    """Progress as a line for each further tenth, for output that is no terminal."""
    shown = -1

    def report(done: int, total: int | None) -> None:
        nonlocal shown
        tenth = 10 * done // total if total else done // (32 << 20)
        if tenth != shown:
            shown = tenth
            console.print(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB")

    return report


@app.command()
def fetch(
    name: Name,
    data: Root = None,
    url: Annotated[str | None, typer.Option("--url", help="Download the archive from here instead.")] = None,
) -> None:
    """Download a data set: with progress, resumed where it broke off, verified by MD5."""
    console = Console(soft_wrap=True)
    root = data or registry.default_root()
    if not console.is_terminal:
        folder = fetch_files(name, root, url, _plain_lines(console))
    else:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(TextColumn("{task.description}"), *columns, console=console) as bars:
            task = bars.add_task(name, total=None)
            folder = fetch_files(name, root, url, lambda done, total: bars.update(task, completed=done, total=total))
    console.print(f"{name}: complete and verified in {folder}", highlight=False)


@app.command()
def check(name: Name, data: Root = None) -> None:
    """Check a data set's files against the published MD5 sums; exit status 1 where something is wrong."""
    console = Console(soft_wrap=True, highlight=False)
    described = registry.info(name)
    if not described.downloadable:
        held = registry.load(name)
        console.print(f"{name}: ok, {held.num_train:,} training and {len(held.test.labels):,} test images")
        return
    root = data or registry.default_root()
    folder = cifar.locate(name, root)
    faults = cifar.check(name, folder)
    for file, fault in faults.items():
        console.print(f"{folder / file}: {'ok' if fault is None else fault}", markup=False)
    if any(faults.values()):
        console.print(
            f"{name}: not usable: run `python run_benchmark.py data fetch {name} --data {root}`", markup=False
        )
        raise typer.Exit(1)
    console.print(f"{name}: ok, {described.num_train:,} training and {described.num_test:,} test images")
