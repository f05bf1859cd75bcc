"""`data fetch NAME` and `data check NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from bench import plugins
from bench.commands import HELP
from bench.commands.data_check import check_files
from bench.commands.data_correct import correct
from bench.commands.data_import import import_images
from bench.commands.options import DataRoot, DatasetName, Plugin
from bench.sweep import terminal
from datasets import cifar_n, official, registry
from datasets.base import DataError, Report
from datasets.fetch import fetch as fetch_files
from datasets.image_check import default_jobs
from datasets.official import Layout

app = typer.Typer(help="Download, check and take over data sets.", no_args_is_help=True, context_settings=HELP)
app.command("import", context_settings=HELP)(import_images)
app.command(context_settings=HELP)(correct)

HUMAN = {"cifar10n": "cifar10", "cifar100n": "cifar100"}  # labels that can be checked apart from their images


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
    name: DatasetName,
    data: DataRoot = None,
    url: Annotated[str | None, typer.Option("--url", help="Download the archive from here instead.")] = None,
) -> None:
    """Download a data set: with progress, resumed where it broke off, verified by MD5.

    Examples:

    - `data fetch cifar10`
    - `data fetch cifar100 --data /data`
    """
    console = terminal.console(soft_wrap=True)
    root = data or registry.default_root()
    if not console.is_terminal:
        folder = fetch_files(name, root, url, _plain_lines(console))
    else:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(TextColumn("{task.description}", markup=False), *columns, console=console) as bars:
            task = bars.add_task(name, total=None)
            folder = fetch_files(name, root, url, lambda done, total: bars.update(task, completed=done, total=total))
    console.print(f"{name}: complete and verified in {folder}", highlight=False)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A data set (see `list datasets`), or cifar10n, cifar100n.")],
    data: DataRoot = None,
    file: Annotated[
        str | None, typer.Option("--file", help="Data set `folder`: the list of images (default: labels.csv or kin).")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that read images (default: all processors).")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Check a data set's files; exit status 1 where something is wrong.

    Official files are compared with the published MD5 sums. Where images are files, lists are checked line by line and
    every image is read; a check that is stopped goes on where it was.

    Examples:

    - `data check cifar10`
    - `data check clothing1m --data /data`
    - `data check folder --data my-images`
    - `data check my_data --plugin my_data.py`
    """
    plugins.register(plugin)
    console = terminal.console(soft_wrap=True, highlight=False)
    root = data or registry.default_root()
    if name in HUMAN:
        well = _check_human_labels(console, name, root)
    elif registry.DATASETS[name].lists is not None:
        well = check_files(console, name, root, file, jobs or default_jobs())
    elif (layout := registry.DATASETS[name].official) is not None:
        well = _check_official(console, name, layout(), root)
    else:
        held = registry.load(name, root)
        console.print(f"{name}: ok, {held.num_train:,} training and {len(held.test.labels):,} test images")
        well = True
    if not well:
        raise typer.Exit(1)


def _check_official(console: Console, name: str, layout: Layout, root: Path) -> bool:
    folder = official.locate(name, layout, root)
    faults = official.check(layout, folder)
    for file, fault in faults.items():
        console.print(f"{folder / file}: {'ok' if fault is None else fault}")
    if any(faults.values()):
        console.print(f"{name}: not usable: run `python run_benchmark.py data fetch {name} --data {root}`")
        return False
    described = registry.info(name)
    console.print(f"{name}: ok, {described.num_train:,} training and {described.num_test:,} test images")
    return True


def _check_human_labels(console: Console, name: str, root: Path) -> bool:
    """Compare CIFAR's human labels with the published ones, and print their rates."""
    dataset = HUMAN[name]
    try:
        console.print(str(cifar_n.locate(dataset, root)))
        held = registry.load(dataset, root)
        for model, published in cifar_n.LABELS.items():
            if published.dataset == dataset:
                rate = float((cifar_n.labels(held, model) != held.train.labels).mean())
                console.print(f"{model}: {100 * rate:.3f}% wrong, {published.title}")
    except DataError as fault:
        console.print(str(fault), style="red")
        return False
    console.print(f"{name}: ok, the published labels, in the order of {dataset}")
    return True
