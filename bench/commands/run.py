"""`run`: plan a suite, execute what is missing, say how it went."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench import cluster, plugins, price, scheduler, spec, spec_data, suite
from bench.commands.image_files import find_broken, make_ready
from bench.commands.options import DEFAULT_OUT, Data, Out, Plugin, Set, check_folder
from bench.environment import Environment, checkpoint_path, remove_checkpoint
from bench.errors import UserError
from bench.precision import has_accelerator
from bench.progress import Progress
from bench.settings import Suite
from datasets import registry as datasets
from results.store import Store

EXIT_FAILED_RUN = 1


@dataclass(frozen=True)
class Planned:
    """A suite as it will be run: its name, its settings (one part for each data set), and all its cells."""

    name: str
    parts: list[Suite]
    cells: list[spec.Cell]
    warnings: list[str]
    noise_files: dict[str, Path]


@dataclass(frozen=True)
class Runner:
    """What executes cells: how many at a time, and the call that returns when all are finished."""

    slots: int
    run: Callable[[Sequence[spec.Cell], scheduler.Finished], None]


def choose_device(device: str) -> str:
    """ "cpu", "cuda" or "cuda:N" for --device. Raises UserError where it is unknown or absent."""
    if device == "auto":
        return "cuda" if has_accelerator() else "cpu"
    if device == "cpu":
        return device
    if device == "cuda" or (device.startswith("cuda:") and device[5:].isdigit()):
        if not has_accelerator():
            raise UserError(f"--device {device}: no CUDA device can be used here (accepted: auto, cpu)")
        return device
    raise UserError(f"--device {device!r} is unknown (accepted: auto, cpu, cuda, cuda:N)")


def readers(device: str, jobs: int | None, runs_per_device: int) -> int:
    """Processes that read image files for one run: on a CPU none, as the network is what takes time there."""
    if not device.startswith("cuda"):
        return 0
    return max(1, min(8, (os.cpu_count() or 1) // max(jobs or 1, runs_per_device)))


def plan_suite(
    name: str,
    assignments: list[str],
    chosen: str | None,
    seeds: int | None,
    overrides: dict[str, Any],
    device: str,
    root: Path | None = None,
    skip_broken: bool = False,
) -> Planned:
    """Read a suite, let the command line win over it, and expand it. Raises UserError and its kin.

    Writes nothing but the index of image files beside them.
    """
    path = suite.locate(name)
    tables = suite.read(path)
    suite.override(tables, assignments)
    for key, value in overrides.items():
        if value is not None:
            suite.impose(tables, key, value)
    if chosen is not None:
        names = [part.strip() for part in chosen.split(",") if part.strip()]
        if not names:
            raise UserError("--methods: name at least one method, such as --methods elr,car")
        suite.choose(tables, names)
    parts = suite.parts(tables, str(path))
    count = parts[0].seeds if seeds is None else seeds
    cells: list[spec.Cell] = []
    warnings: list[str] = []
    noise_files: dict[str, Path] = {}
    for part in parts:
        if skip_broken:
            find_broken(Console(), part, root)
        described = spec_data.describe(part, str(path), root, skip_broken)
        more, warned = spec.cells(part, str(path), device, count, described)
        cells += more
        warnings += warned
        noise_files |= spec_data.noise_files(part, described.info)
    return Planned(path.stem, parts, cells, warnings, noise_files)


def run(
    name: Annotated[str, typer.Argument(metavar="SUITE|FILE", help="A suite (`list suites`) or a suite file.")],
    chosen: Annotated[str | None, typer.Option("--methods", help="Only these, comma-separated.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, counted from 0.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Length of every run.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time (default: one per core).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")] = None,
    runs_per_device: Annotated[int, typer.Option(min=1, help="Runs at a time on each accelerator.")] = 1,
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

    Examples: `run quick`, `run quick --methods elr,car --seeds 5`, `run my-suite.toml --set training.epochs=5`.
    """
    check_folder(out)
    plugins.register(plugin)
    where = choose_device(device)
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
        workers=readers(where, jobs, runs_per_device) if workers is None else workers,
        weights=weights,
    )
    if dry_run:
        show_plan(Console(), planned, environment, probing)
        return
    if cluster_address is None:
        slots = scheduler.slots(environment, jobs or os.cpu_count() or 1, runs_per_device)
        local = Runner(len(slots), lambda cells, done: scheduler.run_local(cells, slots[: len(cells)], done))
        failed = execute_plan(Console(), planned, environment, local, retry_failed)
    else:
        with cluster.connected(cluster_address) as client:
            wanted = [(part.data.name, spec_data.choice_of(part, skip_broken)) for part in planned.parts]
            count = cluster.check_workers(client, environment, wanted)
            remote = Runner(count, lambda cells, done: cluster.run_cluster(client, cells, environment, done))
            failed = execute_plan(Console(), planned, environment, remote, retry_failed)
    if failed:
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


def execute_plan(
    console: Console, planned: Planned, environment: Environment, runner: Runner, retry_failed: bool
) -> bool:
    """Execute the missing cells; returns whether any run of the suite has failed."""
    for warning in planned.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    store = Store(environment.store)
    if any(not store.has(cell.address) for cell in planned.cells):
        plugins.prove(cell.spec["method"]["name"] for cell in planned.cells)
        # Loading the data once here finds missing or broken files before anything is written.
        make_ready(console, planned.parts, planned.cells, environment)
    store.write_plan(spec.plan(planned.name, planned.parts[0], planned.cells))
    failures = store.failures()
    missing = [cell for cell in planned.cells if not store.has(cell.address)]
    todo = [cell for cell in missing if retry_failed or cell.address not in failures]
    console.print(
        f"{planned.name}: {len(planned.cells)} runs, {len(planned.cells) - len(missing)} done, {len(todo)} to do",
        highlight=False,
    )
    if len(todo) < len(missing):
        console.print(
            f"{len(missing) - len(todo)} failed earlier and are left out (--retry-failed executes them again)",
            highlight=False,
        )
    for cell in planned.cells:
        if store.has(cell.address):  # its process may have been killed between publishing and clearing up
            remove_checkpoint(checkpoint_path(store.root, cell.address))
    for cell in todo:
        store.clear_failure(cell.address)
    progress = Progress(console, todo, store.root, runner.slots)
    try:
        with progress.shown():
            if todo:
                runner.run(todo, progress.finished)
    except KeyboardInterrupt:
        message = "\nstopped; finished runs and checkpoints are kept: the same command goes on from there"
        console.print(message, highlight=False, soft_wrap=True)
        raise
    for cell, message in progress.failed:
        path = store.failed_folder / f"{cell.address}.txt"
        console.print(
            f"failed: {cell.label}: {message} (traceback: {path})", style="red", highlight=False, soft_wrap=True
        )
    return len(todo) < len(missing) or bool(progress.failed)
