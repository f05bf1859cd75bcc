"""`tune`: search a method's settings on noisy validation labels; the outcome is a suite file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import accelerator, log, plugins, stall, suite, tune
from bench.commands import completion, terminal
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
from bench.commands.sweep import execute, expand, read_tables, readers, slots_of
from bench.environment import Environment
from bench.search import Space, default_space, narrow
from bench.settings import MOST_SEEDS, Suite
from common.errors import UserError, unknown
from datasets import registry as datasets
from methods import registry as methods
from results.store import Store, locked, replace_file

EXIT_FAILED_RUN = 1


def _part(parts: list[Suite], name: str | None, where: str) -> Suite:
    """The suite's part for the data set that is tuned on."""
    by_name = {part.data.name: part for part in parts}
    if name is None:
        if len(parts) > 1:
            raise UserError(f"{where}: has several data sets; choose one with --dataset ({', '.join(by_name)})")
        return parts[0]
    if name not in by_name:
        raise unknown("data set", name, by_name, "--dataset")
    return by_name[name]


def tune_method(
    method: Annotated[
        str,
        typer.Argument(
            help="A row of the suite, or a method (`list methods`).", autocompletion=completion.method_names
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            metavar="SUITE|FILE",
            help="A `compare` suite with a validation set.",
            autocompletion=completion.suites,
        ),
    ],
    count: Annotated[int, typer.Option("--trials", min=2, help="Settings tried, the suite's own among them.")] = 10,
    seeds: Annotated[
        int, typer.Option(min=1, max=MOST_SEEDS, help="Runs of each trial and setting (seeds from 1000).")
    ] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option("--setting", help='Noise to tune at (default: "symmetric 40%", else the first noisy setting).'),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Of a suite with several data sets, the one to tune on.")] = None,
    space: Annotated[
        list[str] | None,
        typer.Option("--space", metavar="NAME=LOW:HIGH", help="Search a setting there, or among NAME=VALUE,VALUE."),
    ] = None,
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
    cluster_address: Annotated[
        str | None, typer.Option("--cluster", metavar="tcp://HOST:PORT", help="Send the runs to this Dask scheduler.")
    ] = None,
    log_every: LogEvery = log.DEFAULT_SECONDS,
    stall_minutes: StallMinutes = stall.DEFAULT_MINUTES,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Execute failed runs again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials; run nothing.")] = False,
) -> None:
    """Search a method's settings at random, by the last epoch's accuracy on noisy validation labels.

    Trials are ordinary runs: the same command goes on where it stopped, and a larger --trials adds to what is there.
    The outcome is a suite file, DIR/tuned/SUITE-tuned.toml, to which each tuned method adds its row.

    Examples:

    - `tune elr cifar10-lite --trials 12`
    - `tune my_idea quick --plugin my_idea.py --space penalty=0.01:1.0`
    """
    check_folder(out)
    check_choice(capture, "--capture", ("auto", "off"))
    plugins.register(plugin)
    where, root = accelerator.choose(device), data or datasets.default_root()
    slots = slots_of(where, jobs, runs_per_device, mps, cluster_address)
    path, tables = read_tables(name, assignments or [], None, {"epochs": epochs, "precision": precision})
    search = _search(method, tables, str(path), dataset, space or [], count, settings or [])
    target = out / "tuned" / f"{path.stem}-tuned.toml"
    tune.merged(tables, str(path), target)  # refuses another protocol before anything is run
    plan = expand(f"tune-{path.stem}-{method}", [search.suite], str(path), seeds, where, root)
    cells = tune.on_tuning_seeds(plan.cells)
    console = terminal.console(soft_wrap=True, highlight=False)
    console.print(f"{plan.parts[0].title}, {search.places}: {count} trials, {len(cells)} runs")
    for key, axis in search.space.items():
        console.print(f"  {key}: {axis}")
    if dry_run:
        _show(tune.scores(Store(out), search.trials, cells), search.space)
        return
    environment = Environment(
        store=out.absolute(),
        data=root.absolute(),
        device=where,
        plugins=plugins.added_files(),
        noise_files=plan.noise_files,
        stall_seconds=60 * stall_minutes,
        workers=readers(where, slots),
        capture=capture,
    )
    planned = replace(plan, cells=cells, tuning=True)
    execute(terminal.console(), planned, environment, slots, retry_failed, log_every)
    found = tune.scores(Store(out), search.trials, cells)
    _show(found, search.space)
    replace_file(target.with_name(f"{path.stem}-{method}.csv"), tune.csv_text(found, search.space).encode())
    best = tune.best(found)
    if best is None:
        console.print("no trial is finished, so nothing is chosen")
        raise typer.Exit(EXIT_FAILED_RUN)
    with locked(target):
        outcome = tune.merged(tables, str(path), target)  # with the rows that others have tuned since
        outcome["methods"][method] = tune.tuned_row(search.part, method, best.trial, count, search.source(best, seeds))
        replace_file(target, tune.toml_text(outcome, str(target)).encode())
    _tell(console, found, best, target, outcome)
    if any(score.state == "failed" for score in found):
        raise typer.Exit(EXIT_FAILED_RUN)


def _search(
    method: str,
    tables: dict[str, Any],
    where: str,
    dataset: str | None,
    spaces: list[str],
    count: int,
    settings: list[str],
) -> tune.Search:
    """What is tried, of a suite's raw tables; a method that the suite lacks gets a row. Raises UserError or its kin."""
    rows = tables.get("methods")
    if isinstance(rows, dict) and method not in rows:
        methods.info(method)
        rows[method] = {}
    part = _part(suite.parts(tables, where), dataset, where)
    tune.check_suite(part, where)
    hyper = methods.info(part.methods[method].method or method).hyper
    space = narrow(default_space(hyper, part.training.optimizer, part.training.epochs), spaces, hyper)
    tried = tune.trials(space, count)
    chosen = tune.choose_settings(part, settings)
    return tune.Search(part, space, tried, chosen, tune.trial_suite(part, method, tried, chosen.values(), where))


def _show(found: list[tune.Score], space: Space) -> None:
    best = tune.best(found)
    table = Table("trial", *space, "noisy validation", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for score in found:
        values = [str(score.settings[name]) for name in space]
        accuracy = score.state if score.accuracy is None else _percent(score)
        style = "bold" if best is not None and score.trial == best.trial else ""
        table.add_row(*(Text(text, style=style) for text in (str(score.trial.number), *values, accuracy)))
    terminal.console().print(table)


def _percent(score: tune.Score) -> str:
    """The accuracy, with what keeps it from being that of a sound trial."""
    return f"{100 * (score.accuracy or 0):.2f}%" + (f" ({score.state})" if score.state else "")


def _tell(console: Console, found: list[tune.Score], best: tune.Score, target: Path, outcome: dict[str, Any]) -> None:
    own = found[0]
    before = "" if own.accuracy is None else f" (the suite's own settings: {_percent(own)})"
    console.print(f"best: trial {best.trial.number}, {_percent(best)}{before}")
    if best.collapsed:
        console.print("warning: no finished trial is better than one that collapsed: widen the search", style="yellow")
    console.print(f"written: {target} and the trials beside it")
    counts = {row: table.get("trials", 0) for row, table in outcome["methods"].items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{row} {number}" for row, number in counts.items())
        console.print(f"a fair comparison needs equal numbers of trials; so far: {told}")
    console.print(f"run it: python run_benchmark.py run {target}")
