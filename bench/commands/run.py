"""`run`: plan a suite, execute what is missing, say how it went."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.api import functions
from bench.api.execution import slots_of
from bench.api.planned import plan_of
from bench.api.request import PlanOptions, RunOptions
from bench.commands import completion
from bench.commands.dry_run import show_plan
from bench.commands.options import (
    DEFAULT_OUT,
    Capture,
    CheckpointSeconds,
    Cluster,
    Data,
    Device,
    Epochs,
    Jobs,
    LogEvery,
    Methods,
    Mps,
    Out,
    Plugin,
    Precision,
    RetryFailed,
    RunsPerDevice,
    Seeds,
    Set,
    SkipBroken,
    StallMinutes,
    Weights,
    Workers,
    check_folder,
)
from bench.sweep import log, stall, terminal

EXIT_FAILED_RUN = 1


Suite = Annotated[
    str,
    typer.Argument(
        metavar="SUITE|FILE", help="A suite (`list suites`) or a suite file.", autocompletion=completion.suites
    ),
]
Probing = Annotated[
    bool, typer.Option("--probe", help="With --dry-run: time a few steps where no record tells the price.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the cells and what is done; run nothing.")]


def run(
    name: Suite,
    chosen: Methods = None,
    seeds: Seeds = None,
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
    skip_broken: SkipBroken = False,
    workers: Workers = None,
    weights: Weights = None,
    checkpoint_seconds: CheckpointSeconds = 30.0,
    cluster_address: Cluster = None,
    log_every: LogEvery = log.DEFAULT_SECONDS,
    stall_minutes: StallMinutes = stall.DEFAULT_MINUTES,
    retry_failed: RetryFailed = False,
    probing: Probing = False,
    dry_run: DryRun = False,
) -> None:
    """Execute what is missing of a suite.

    Examples:

    - `run quick`
    - `run quick --methods elr,car --seeds 5`
    - `run my-suite.toml --set training.epochs=5`
    """
    check_folder(out)
    wanted = PlanOptions(chosen, seeds, epochs, precision, assignments or [], device, data, plugin or [], skip_broken)
    how = RunOptions(
        jobs, runs_per_device, mps, capture, cluster_address, log_every, stall_minutes, retry_failed, workers, weights,
        checkpoint_seconds,
    )  # fmt: skip
    where = wanted.where()
    slots = slots_of(where, how)  # refuses before a suite is read
    planned = plan_of(name, wanted)
    if dry_run:
        show_plan(terminal.console(), planned, out, where, slots.runs_per_device or 1, probing)
        return
    ran = functions.executed(planned, wanted, how, out, terminal.console())
    if ran.failed:
        raise typer.Exit(EXIT_FAILED_RUN)
