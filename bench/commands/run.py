"""`run`: plan a suite, execute what is missing, say how it went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.api import functions
from bench.api.planned import plan_of
from bench.api.proved import prove
from bench.api.request import PlanOptions, RunOptions
from bench.api.runners import slots_of
from bench.commands import completion
from bench.commands.dry_run import show_plan
from bench.commands.options import (
    DEFAULT_OUT,
    At,
    Capture,
    CheckpointSeconds,
    Cluster,
    ClusterWait,
    Data,
    DataSets,
    Device,
    Epochs,
    Jobs,
    LogEvery,
    Methods,
    Mps,
    NoWait,
    Out,
    Plugin,
    Precision,
    RetryFailed,
    RunsPerDevice,
    Seeds,
    Set,
    SkipBroken,
    StallMinutes,
    Track,
    Weights,
    Workers,
    check_folder,
)
from bench.jobs import job_file, opened
from bench.sweep import log, stall, terminal
from results.layout import Layout
from results.store import Store

EXIT_FAILED_RUN = 1
EVERY = 5.0  # seconds between lines that are asked for
EXIT_QUEUE_AGAIN = 138  # as after SIGUSR1


Suites = Annotated[
    list[str],
    typer.Argument(
        metavar="SUITE|FILE...",
        help="Suites (`list suites`) or suite files (TOML or YAML), one after the other.",
        autocompletion=completion.suites,
    ),
]
Redo = Annotated[
    bool, typer.Option("--redo", help="Execute again what a plug-in's method has made that was edited since.")
]
Probing = Annotated[
    bool, typer.Option("--probe", help="With --dry-run: time a few steps where no record tells the price.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the cells and what is done; run nothing.")]


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but what failed.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say every five seconds how far each run is, on a terminal too.")
]


def run(
    names: Suites, chosen: Methods = None, seeds: Seeds = None, at: At = None, datasets: DataSets = None,
    epochs: Epochs = None, jobs: Jobs = None, device: Device = "auto", precision: Precision = None,
    runs_per_device: RunsPerDevice = "auto", mps: Mps = "auto", capture: Capture = "auto", data: Data = None,
    out: Out = DEFAULT_OUT, assignments: Set = None, plugin: Plugin = None, skip_broken: SkipBroken = False,
    workers: Workers = None, weights: Weights = None, checkpoint_seconds: CheckpointSeconds = 30.0,
    cluster_address: Cluster = None, cluster_wait: ClusterWait = None, log_every: LogEvery = log.DEFAULT_SECONDS,
    stall_minutes: StallMinutes = stall.DEFAULT_MINUTES, retry_failed: RetryFailed = False, redo: Redo = False,
    no_wait: NoWait = False, track: Track = None, quiet: Quiet = False, verbose: Verbose = False,
    probing: Probing = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Execute what is missing of a suite, or of several.

    Examples:

    - `run quick`
    - `run quick -j2 --methods ELR,Co-Teaching --seeds 0,2 --setting "symmetric 50%"`
    - `run my-suite.toml --set training.epochs=5`
    """
    check_folder(out)
    wanted = PlanOptions(
        chosen, seeds, epochs, precision, assignments or [], device, data, plugin or [], skip_broken, at or [],
        datasets or [],
    )  # fmt: skip
    how = RunOptions(
        jobs, runs_per_device, mps, capture, cluster_address, EVERY if verbose else log_every, stall_minutes,
        retry_failed, workers, weights, checkpoint_seconds, redo, no_wait, cluster_wait, track or [],
    )  # fmt: skip
    where = wanted.where()
    slots = slots_of(where, how)  # refuses before a suite is read
    console = terminal.console(quiet=quiet, lines=verbose)
    planned = [plan_of(name, wanted) for name in names]  # all are refused, or none
    if len(planned) > 1 or (plugin and dry_run):  # one alone is proved when it is executed
        for suite in planned:
            prove(suite, Store(out), redo)
    if dry_run:
        for suite in planned:
            show_plan(console, suite, out, where, slots.runs_per_device or 1, probing, redo)
        _show_job(cluster_address, out)
        return
    ran = [functions.executed(suite, wanted, how, out, console) for suite in planned]
    failed = [suite.name for suite, one in zip(planned, ran, strict=True) if one.failed]
    if failed and quiet:
        typer.echo(f"failed runs in {', '.join(failed)}: `status` names them", err=True)
    if any(one.late for one in ran):
        raise typer.Exit(EXIT_QUEUE_AGAIN)
    if failed:
        raise typer.Exit(EXIT_FAILED_RUN)


def _show_job(cluster: str | None, out: Path) -> None:
    """Print the job script of --cluster, if it names a file of jobs."""
    if cluster is not None and job_file.is_named(cluster):
        system, file = job_file.parted(cluster)
        typer.echo(opened.script(system, job_file.read(system, file), Layout(out.absolute()).jobs))
