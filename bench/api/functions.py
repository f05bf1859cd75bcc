"""What a script may call: `plan`, `run`, `tune`, `report` and `records`, as the commands of these names do.

    from bench import run
    print(run("quick", seeds=1).table.groupby("row_name")["accuracy_last"].mean())

They raise `common.errors.UserError` and its kin (`methods.registry.MethodError`, `datasets.base.DataError`,
`results.record.StoreError`, `reports.errors.ReportError`) with one line, and print nothing but what a run is told to
say. Paths may be text. Importing `bench` imports nothing else until a function is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bench.api import execution, planned, runners, tuned
from bench.api.planned import Planned
from bench.api.request import Location, PlanOptions, RunOptions
from bench.api.tuned import TrialsWanted, Tuned
from bench.planning.choice import Seeds
from bench.planning.suite import Assignments
from bench.sweep import log, stall
from results.layout import DEFAULT_OUT

if TYPE_CHECKING:
    import pandas as pd

    from reports.build import ReportSummary
    from reports.print_style import Printed


@dataclass(frozen=True)
class Ran:
    """What came of `run`. out: the store. addresses: of the suite's runs. failed: whether any of them has failed.

    late: whether some were not begun, since the job of a job system in which `run` was called ends soon.
    """

    out: Path
    addresses: tuple[str, ...]
    failed: bool
    late: bool = False

    @property
    def table(self) -> pd.DataFrame:
        """The suite's finished runs, a row each; the columns are those of `records`."""
        all_records = records(self.out)
        return all_records[all_records["address"].isin(self.addresses)].reset_index(drop=True)


def plan(
    suite: Location,
    *,
    methods: Collection[str] | str | None = None,
    seeds: Seeds | None = None,
    at: Collection[str] = (),
    datasets: Collection[str] = (),
    epochs: int | None = None,
    precision: str | None = None,
    settings: Assignments = (),
    device: str = "auto",
    data: Location | None = None,
    plugins: Collection[Location] = (),
    skip_broken: bool = False,
) -> Planned:
    """The cells of a suite: its name, or a suite file. Nothing is run, and nothing written but the index of images.

    methods: rows of the suite, or methods at their defaults; None: its rows. settings: keys of the suite file with
    their values, such as {"training.epochs": 5}, or as texts "KEY=VALUE". seeds: how many, or which. at, datasets: the
    settings, by title, and the data sets; empty: all of the suite's. The other arguments are those of the command.
    """
    wanted = PlanOptions(methods, seeds, epochs, precision, settings, device, data, plugins, skip_broken, at, datasets)
    return planned.plan_of(str(suite), wanted)


def run(
    suite: Location | Planned,
    *,
    methods: Collection[str] | str | None = None,
    seeds: Seeds | None = None,
    at: Collection[str] = (),
    datasets: Collection[str] = (),
    epochs: int | None = None,
    precision: str | None = None,
    settings: Assignments = (),
    out: Location = DEFAULT_OUT,
    jobs: int | None = None,
    device: str = "auto",
    data: Location | None = None,
    plugins: Collection[Location] = (),
    skip_broken: bool = False,
    runs_per_device: str = "auto",
    mps: str = "auto",
    capture: str = "auto",
    workers: int | None = None,
    weights: Location | None = None,
    checkpoint_seconds: float = 30.0,
    stall_minutes: float = stall.DEFAULT_MINUTES,
    cluster: str | None = None,
    log_every: float = log.DEFAULT_SECONDS,
    retry_failed: bool = False,
    redo: bool = False,
    no_wait: bool = False,
    cluster_wait: float | None = None,
    track: Collection[str] = (),
    console: Console | None = None,
) -> Ran:
    """Execute what is missing of a suite, or of what `plan` gave; what is done is left as it is.

    A run that fails does not end the others. redo: also what a plug-in's method has made that was edited since.
    track: trackers, such as "tensorboard:FOLDER". console: what is said of the progress goes there; None: nothing is
    said. The other arguments are those of the command.
    """
    wanted = PlanOptions(methods, seeds, epochs, precision, settings, device, data, plugins, skip_broken, at, datasets)
    how = RunOptions(
        jobs, runs_per_device, mps, capture, cluster, log_every, stall_minutes, retry_failed, workers, weights,
        checkpoint_seconds, redo, no_wait, cluster_wait, track,
    )  # fmt: skip
    chosen = suite if isinstance(suite, Planned) else planned.plan_of(str(suite), wanted)
    return executed(chosen, wanted, how, Path(out), console or _silent())


def executed(suite: Planned, wanted: PlanOptions, how: RunOptions, out: Path, console: Console) -> Ran:
    """What `run` and the command do with a plan."""
    where = wanted.where()
    slots = runners.slots_of(where, how)
    environment = execution.environment_of(suite, out, wanted.root(), where, slots, how, wanted.skip_broken)
    came = execution.execute(console, suite, environment, slots, how)
    return Ran(environment.store, tuple(cell.address for cell in suite.cells), came.failed, came.late)


def tune(
    method: str,
    suite: Location,
    *,
    trials: int = 10,
    seeds: int = 1,
    at: Sequence[str] = (),
    dataset: str | None = None,
    space: Sequence[str] = (),
    best_of: Location | None = None,
    epochs: int | None = None,
    precision: str | None = None,
    settings: Assignments = (),
    out: Location = DEFAULT_OUT,
    jobs: int | None = None,
    device: str = "auto",
    data: Location | None = None,
    plugins: Collection[Location] = (),
    runs_per_device: str = "auto",
    mps: str = "auto",
    capture: str = "auto",
    cluster: str | None = None,
    log_every: float = log.DEFAULT_SECONDS,
    stall_minutes: float = stall.DEFAULT_MINUTES,
    retry_failed: bool = False,
    console: Console | None = None,
) -> Tuned:
    """Search a row's settings at random by noisy validation labels, as the command does; it writes a suite file.

    at: the noise settings to tune at, by title. space: axes such as "penalty=0.01:1.0". best_of: another search's CSV
    of trials, whose best are tried instead of random ones.
    """
    wanted = PlanOptions(None, seeds, epochs, precision, settings, device, data, plugins)
    tried = TrialsWanted(trials, space, best_of)
    search = tuned.search_of(method, str(suite), wanted, Path(out), tried, at, dataset)
    how = RunOptions(jobs, runs_per_device, mps, capture, cluster, log_every, stall_minutes, retry_failed)
    return tuned.searched(search, how, console or _silent())


def report(
    source: Location = DEFAULT_OUT,
    target: Location | None = None,
    *,
    suites: Collection[str] = (),
    select: str | None = None,
    paper: str | None = None,
    published: Location | None = None,
    against: Location | None = None,
    plugins: Collection[Location] = (),
    redraw: bool = False,
    tell: Callable[[str], None] | None = None,
    printed: Printed | None = None,
    processes: int = 1,
) -> ReportSummary:
    """Tables, figures and the page of the records at `source`, into the folder `target` (None: `source`/report).

    select: a selection rule. paper: a published table to set beside. published: a file of published numbers. against:
    others' records to compare with. plugins: files that declare selection rules. redraw: noisy labels are drawn again,
    as of a stranger's records. tell: is called with what is being done. printed: for a paper, of this width and with
    these tables (None: the page), into `source`/paper. processes: so many draw, from a script with a `__main__` guard.
    """
    from bench.api.redraw import redrawer
    from bench.plugins import register
    from bench.sweep import lease
    from reports.build import build_report
    from results.layout import Layout

    register(map(Path, plugins))
    layout = Layout(Path(source))
    return build_report(
        layout.root,
        Path(target) if target is not None else layout.report if printed is None else layout.paper,
        select=select,
        paper=paper,
        published=None if published is None else Path(published),
        against=None if against is None else Path(against),
        running=lease.live(layout.leases, lease.Observer()) if layout.root.is_dir() else {},
        suites=tuple(suites),
        redraw=redrawer() if redraw else None,
        tell=tell or (lambda line: None),
        printed=printed,
        processes=processes,
        **_beside_records(paper, layout.root),
    )


def _beside_records(paper: str | None, root: Path) -> dict[str, Any]:
    """What a report says that no record tells: of methods, networks and prices, and what a suite would run today."""
    from bench import networks
    from bench.api.planned_now import planned_now
    from bench.api.prices import prices_of
    from methods.registry import registered
    from reports.leaderboard import MethodFacts
    from results import published

    known = published.keys()  # another name is refused where the table is read
    return {
        "methods": {name: MethodFacts(info.year, info.family) for name, info in registered().items()},
        "prices": None if paper not in known else prices_of(str(paper), root),
        "networks": {info.name: f"{info.title}, {info.description}" for info in networks.NETWORKS},
        "planned": planned_now,
    }


def records(source: Location = DEFAULT_OUT) -> pd.DataFrame:
    """One row a run of the records at `source`: a store, or .jsonl files. Columns: see `results.frame`."""
    from results import frame

    return frame.load(source)


def _silent() -> Console:
    return Console(file=io.StringIO(), quiet=True)
