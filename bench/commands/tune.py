"""`tune`: search a method's settings on noisy validation labels; the outcome is a suite file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.api.request import PlanOptions, RunOptions
from bench.api.runners import slots_of
from bench.api.tuned import Searching, TrialsWanted, Tuned, search_of, searched
from bench.commands import completion
from bench.commands.options import (
    DEFAULT_OUT,
    Capture,
    Cluster,
    ClusterWait,
    Data,
    Device,
    Epochs,
    Jobs,
    LogEvery,
    Mps,
    Out,
    Plugin,
    Precision,
    RetryFailed,
    RunsPerDevice,
    Set,
    StallMinutes,
    check_folder,
)
from bench.commands.run import EXIT_FAILED_RUN, EXIT_QUEUE_AGAIN
from bench.planning.settings import MOST_SEEDS
from bench.sweep import log, stall, terminal
from bench.tuning import tune
from bench.tuning.search import Space

Row = Annotated[
    str,
    typer.Argument(help="A row of the suite, or a method (`list methods`).", autocompletion=completion.method_names),
]
Suite = Annotated[
    str,
    typer.Argument(
        metavar="SUITE|FILE", help="A `compare` suite with a validation set.", autocompletion=completion.suites
    ),
]
Trials = Annotated[int, typer.Option("--trials", min=2, help="Settings tried, the suite's own among them.")]
TrialSeeds = Annotated[
    int, typer.Option(min=1, max=MOST_SEEDS, help="Runs of each trial and setting (seeds from 1000).")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--setting", help='Noise to tune at (default: "symmetric 40%", else the first noisy setting).'),
]
Dataset = Annotated[str | None, typer.Option(help="Of a suite with several data sets, the one to tune on.")]
Spaces = Annotated[
    list[str] | None,
    typer.Option("--space", metavar="NAME=LOW:HIGH", help="Search a setting there, or among NAME=VALUE,VALUE."),
]
BestOf = Annotated[
    Path | None,
    typer.Option(
        "--best-of", metavar="FILE", help="Try the best of another search's trials (its CSV); draw nothing at random."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the trials; run nothing.")]


def tune_method(
    method: Row,
    name: Suite,
    count: Trials = 10,
    seeds: TrialSeeds = 1,
    settings: Settings = None,
    dataset: Dataset = None,
    space: Spaces = None,
    best_of: BestOf = None,
    epochs: Epochs = None,
    jobs: Jobs = None,
    device: Device = "auto",
    precision: Precision = None,
    runs_per_device: RunsPerDevice = "auto",
    mps: Mps = "auto",
    capture: Capture = "auto",
    data: Data = None,
    out: Out = DEFAULT_OUT,
    assignments: Set = None,
    plugin: Plugin = None,
    cluster_address: Cluster = None,
    cluster_wait: ClusterWait = None,
    log_every: LogEvery = log.DEFAULT_SECONDS,
    stall_minutes: StallMinutes = stall.DEFAULT_MINUTES,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
) -> None:
    """Search a method's settings at random, by the last epoch's accuracy on noisy validation labels.

    Trials are ordinary runs: the same command goes on where it stopped, and a larger --trials adds to what is there.
    The outcome is a suite file, DIR/tuned/SUITE-tuned.toml, to which each tuned method adds its row.

    Examples:

    - `tune elr cifar10-lite --trials 12`
    - `tune my_idea quick --plugin my_idea.py --space penalty=0.01:1.0`
    """
    check_folder(out)
    wanted = PlanOptions(None, seeds, epochs, precision, assignments or [], device, data, plugin or [])
    how = RunOptions(
        jobs, runs_per_device, mps, capture, cluster_address, log_every, stall_minutes, retry_failed,
        cluster_wait=cluster_wait,
    )  # fmt: skip
    slots_of(wanted.where(), how)  # refuses before anything is said
    search = search_of(method, name, wanted, out, TrialsWanted(count, space or (), best_of), settings or (), dataset)
    _begin(search, count)
    if dry_run:
        _show(search.scores(), search.of.space)
        return
    _conclude(search, searched(search, how, terminal.console()))


def _begin(search: Searching, count: int) -> None:
    """Say what is searched."""
    console = terminal.console(soft_wrap=True, highlight=False)
    console.print(f"{search.plan.parts[0].title}, {search.of.places}: {count} trials, {len(search.plan.cells)} runs")
    for key, axis in search.of.space.items():
        console.print(f"  {key}: {axis}")


def _conclude(search: Searching, tuned: Tuned) -> None:
    """Show what came of it. Raises typer.Exit where a trial failed, runs are left, or none is finished."""
    console = terminal.console(soft_wrap=True, highlight=False)
    _show(tuned.scores, search.of.space)
    if tuned.left:
        runs = "1 run is" if tuned.left == 1 else f"{tuned.left} runs are"
        console.print(f"{runs} not finished, so nothing is chosen: the same command goes on from there")
        raise typer.Exit(EXIT_QUEUE_AGAIN if tuned.late else EXIT_FAILED_RUN)
    if tuned.best is None:
        console.print("no trial is finished, so nothing is chosen")
        raise typer.Exit(EXIT_FAILED_RUN)
    _tell(console, tuned, tuned.best)
    if any(score.state == "failed" for score in tuned.scores):
        raise typer.Exit(EXIT_FAILED_RUN)


def _show(scores: Sequence[tune.Score], space: Space) -> None:
    best = tune.best(scores)
    table = Table("trial", *space, "noisy validation", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for score in scores:
        values = [str(score.settings[name]) for name in space]
        accuracy = score.state if score.accuracy is None else _percent(score)
        style = "bold" if best is not None and score.trial == best.trial else ""
        table.add_row(*(Text(text, style=style) for text in (str(score.trial.number), *values, accuracy)))
    terminal.console().print(table)


def _percent(score: tune.Score) -> str:
    """The accuracy, with what keeps it from being that of a sound trial."""
    return f"{100 * (score.accuracy or 0):.2f}%" + (f" ({score.state})" if score.state else "")


def _tell(console: Console, tuned: Tuned, best: tune.Score) -> None:
    own = tuned.scores[0]
    before = "" if own.accuracy is None else f" (the suite's own settings: {_percent(own)})"
    console.print(f"best: trial {best.trial.number}, {_percent(best)}{before}")
    if best.collapsed:
        console.print("warning: no finished trial is better than one that collapsed: widen the search", style="yellow")
    console.print(f"written: {tuned.suite} and the trials beside it")
    if len(set(tuned.trials.values())) > 1:
        told = ", ".join(f"{row} {number}" for row, number in tuned.trials.items())
        console.print(f"a fair comparison needs equal numbers of trials; so far: {told}")
    console.print(f"run it: python run_benchmark.py run {tuned.suite}")
