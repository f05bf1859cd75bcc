"""`run`: plan a suite, execute what is missing, say how it went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import accelerator, plugins, price
from bench.commands import completion, terminal
from bench.commands.options import DEFAULT_OUT, Data, Mps, Out, Plugin, RunsPerDevice, Set, check_folder
from bench.commands.sweep import Planned, execute, plan_suite, readers, slots_of
from bench.environment import Environment
from bench.settings import MOST_SEEDS
from datasets import registry as datasets
from results.store import Store

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
    plugins.register(plugin)
    where = accelerator.choose(device)
    slots = slots_of(where, jobs, runs_per_device, mps, cluster_address)
    overrides = {"epochs": epochs, "precision": precision}
    root = data or datasets.default_root()
    planned = plan_suite(name, assignments or [], chosen, seeds, overrides, where, root, skip_broken)
    environment = Environment(
        store=out.absolute(),
        data=root,
        device=where,
        plugins=plugins.added_files(),
        noise_files=planned.noise_files,
        checkpoint_seconds=checkpoint_seconds,
        skip_broken=skip_broken,
        workers=readers(where, slots) if workers is None else workers,
        weights=weights,
    )
    if dry_run:
        show_plan(terminal.console(), planned, environment, probing)
        return
    if execute(terminal.console(), planned, environment, slots, retry_failed):
        raise typer.Exit(EXIT_FAILED_RUN)


def show_plan(console: Console, planned: Planned, environment: Environment, probing: bool) -> None:
    """Print every cell with what the store knows of it, and what the missing ones will cost."""
    known = Store(environment.store)
    failures = known.failures()
    records = [known.load(address) for address in known.addresses()]
    rates = price.rates(records, environment.device)
    done = {cell.address for cell in planned.cells if known.has(cell.address)}
    missing = [cell for cell in planned.cells if cell.address not in done]
    probed = price.probe(missing, rates, environment.device) if probing else {}
    total, unknown = 0.0, 0
    for cell in planned.cells:
        status = "done" if cell.address in done else "failed" if cell.address in failures else "missing"
        line = f"{status:8}{cell.address[:12]}  {cell.label}"
        if cell.address not in done:
            cost = price.estimate(cell, rates, probed)
            total, unknown = total + (cost.seconds or 0.0), unknown + (cost.seconds is None)
            line += f": {cost.source}" if cost.seconds is None else f": about {_duration(cost.seconds)} ({cost.source})"
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"{len(planned.cells)} runs, {len(done)} done, {len(missing)} to do", highlight=False)
    if missing:
        doubt = f", {unknown} runs not counted" if unknown else ""
        console.print(f"about {_duration(total)} on one {environment.device} slot{doubt}", highlight=False)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 3600:.2f} h"
