"""`run`: plan a suite, execute what is missing, say how it went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.api import functions
from bench.api.execution import slots_of
from bench.commands import completion
from bench.commands.dry_run import show_plan
from bench.commands.options import (
    DEFAULT_OUT,
    Capture,
    Data,
    LogEvery,
    Mps,
    Out,
    Plugin,
    RunsPerDevice,
    Set,
    StallMinutes,
    check_choice,
    check_folder,
)
from bench.machine import accelerator
from bench.planning.settings import MOST_SEEDS
from bench.sweep import log, stall, terminal

EXIT_FAILED_RUN = 1


def run(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SUITE|FILE", help="A suite (`list suites`) or a suite file.", autocompletion=completion.suites
        ),
    ],
    chosen: Annotated[
        str | None,
        typer.Option("--methods", help="Only these, comma-separated.", autocompletion=completion.method_names),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, max=MOST_SEEDS, help="How many seeds, counted from 0.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Length of every run.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time (default: one per core).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")] = None,
    runs_per_device: RunsPerDevice = "auto",
    mps: Mps = "auto",
    capture: Capture = "auto",
    data: Data = None,
    out: Out = DEFAULT_OUT,
    assignments: Set = None,
    plugin: Plugin = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out broken images instead of refusing the data; recorded.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that read image files for one run (default: by device).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File of ImageNet weights (default: torchvision's cache).")
    ] = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Least time between two checkpoints of a run; 0: every epoch.")
    ] = 30.0,
    cluster_address: Annotated[
        str | None, typer.Option("--cluster", metavar="tcp://HOST:PORT", help="Send the runs to this Dask scheduler.")
    ] = None,
    log_every: LogEvery = log.DEFAULT_SECONDS,
    stall_minutes: StallMinutes = stall.DEFAULT_MINUTES,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Execute failed runs again.")] = False,
    probing: Annotated[
        bool, typer.Option("--probe", help="With --dry-run: time a few steps where no record tells the price.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cells and what is done; run nothing.")] = False,
) -> None:
    """Execute what is missing of a suite.

    Examples:

    - `run quick`
    - `run quick --methods elr,car --seeds 5`
    - `run my-suite.toml --set training.epochs=5`
    """
    check_folder(out)
    check_choice(capture, "--capture", ("auto", "off"))
    planned = functions.plan(
        name,
        methods=chosen,
        seeds=seeds,
        epochs=epochs,
        precision=precision,
        settings=assignments or [],
        device=device,
        data=data,
        plugins=plugin or [],
        skip_broken=skip_broken,
    )
    if dry_run:
        where = accelerator.choose(device)
        per_device = slots_of(where, jobs, runs_per_device, mps, cluster_address).runs_per_device
        show_plan(terminal.console(), planned, out, where, per_device or 1, probing)
        return
    ran = functions.run(
        planned,
        out=out,
        jobs=jobs,
        device=device,
        data=data,
        skip_broken=skip_broken,
        runs_per_device=runs_per_device,
        mps=mps,
        capture=capture,
        workers=workers,
        weights=weights,
        checkpoint_seconds=checkpoint_seconds,
        stall_minutes=stall_minutes,
        cluster=cluster_address,
        log_every=log_every,
        retry_failed=retry_failed,
        console=terminal.console(),
    )
    if ran.failed:
        raise typer.Exit(EXIT_FAILED_RUN)
