"""The search for a row's settings: its trials are ordinary runs, its outcome is a suite file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import plugins as plugin_files
from bench.api import execution, runners
from bench.api.planned import Planned, expand, read_tables
from bench.api.request import Location, PlanOptions, RunOptions
from bench.planning import suite as suites
from bench.planning.choice import seeds_of
from bench.planning.settings import Suite, Training
from bench.tuning import tune, tuned_suite
from bench.tuning.earlier import best_trials, space_of
from bench.tuning.search import Space, default_space, narrow
from common.errors import UserError, unknown
from methods import registry as methods
from methods.hyper import HyperParameter
from results.layout import Layout
from results.storage import locked, replace_file
from results.store import Store


@dataclass(frozen=True)
class TrialsWanted:
    """Which trials: so many, the suite's own settings among them.

    space: axes of the space that the others are drawn from, as `--space` has them. best_of: the list of trials of
    another search, whose best are tried and nothing is drawn.
    """

    count: int
    space: Sequence[str] = ()
    best_of: Location | None = None

    def made(self, hyper: Mapping[str, HyperParameter], training: Training) -> tuple[Space, list[tune.Trial], str]:
        """The space, its trials, and in a few words what they are. Raises UserError."""
        if self.best_of is None:
            space = narrow(default_space(hyper, training.optimizer, training.epochs), self.space, hyper)
            return space, tune.trials(space, self.count), "random search"
        if self.space:
            raise UserError("--space: with --best-of nothing is drawn; give one of them")
        path = Path(self.best_of)
        tried = best_trials(path, hyper, self.count)
        return space_of(tried), tried, f"the suite's own and the best of {path.name}"


@dataclass(frozen=True)
class Searching:
    """A search before its first run. of: what is tried. plan: its trials as cells. tables: the suite's raw tables."""

    method: str
    of: tune.Search
    plan: Planned
    tables: dict[str, Any]
    where: str
    seeds: int
    out: Path
    data: Path
    device: str

    @property
    def target(self) -> Path:
        """The suite file that comes of it."""
        return Layout(self.out).tuned(f"{Path(self.where).stem}-tuned.toml")

    def scores(self) -> list[tune.Score]:
        """What the store knows of the trials."""
        return tune.scores(Store(self.out), self.of.trials, self.plan.cells)

    def left(self) -> int:
        """How many runs neither are done nor have failed."""
        store = Store(self.out)
        failed = store.failures()
        return sum(not store.has(cell.address) and cell.address not in failed for cell in self.plan.cells)


@dataclass(frozen=True)
class Tuned:
    """What came of a search. scores: in the order of the trials; best: None where none is finished, or runs are left.

    suite: the suite file with the chosen settings. trials: how many each of its rows was chosen among. left: how many
    runs neither are done nor have failed, as where a cluster has gone; late: as the job of a job system ends soon.
    """

    scores: Sequence[tune.Score]
    best: tune.Score | None
    suite: Path
    trials: dict[str, int]
    left: int = 0
    late: bool = False


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


def search_of(
    method: str,
    name: str,
    wanted: PlanOptions,
    out: Path,
    trials: TrialsWanted,
    at: Sequence[str],
    dataset: str | None,
) -> Searching:
    """The trials of a search; nothing is run or written. Raises UserError and its kin."""
    plugin_files.register(map(Path, wanted.plugins))
    where, root = wanted.where(), wanted.root()
    seeds = 1 if wanted.seeds is None else len(seeds_of(wanted.seeds))
    path, tables = read_tables(name, wanted.settings, None, wanted.overrides())
    rows = tables.get("methods")
    method = methods.typed(method, rows if isinstance(rows, dict) else ())
    search = _search(method, tables, str(path), dataset, trials, at)
    plan = expand(f"tune-{path.stem}-{method}", [search.suite], str(path), seeds, where, root)
    planned = replace(plan, cells=tune.on_tuning_seeds(plan.cells), tuning=True)
    searching = Searching(method, search, planned, tables, str(path), seeds, out, root, where)
    tuned_suite.merged(tables, str(path), searching.target)  # refuses another protocol before anything is run
    return searching


def searched(search: Searching, how: RunOptions, console: Console) -> Tuned:
    """Run the trials that are missing, choose, and write the suite file. Raises UserError and its kin.

    Nothing is chosen while runs are left: the file tells how many trials a row was chosen among.
    """
    slots = runners.slots_of(search.device, how)
    environment = execution.environment_of(search.plan, search.out, search.data, search.device, slots, how)
    came = execution.execute(console, search.plan, environment, slots, how)
    scores, target, row = search.scores(), search.target, search.method
    listed = tune.csv_text(scores, search.of.space).encode()
    replace_file(target.with_name(f"{Path(search.where).stem}-{row}.csv"), listed)
    if left := search.left():
        return Tuned(scores, None, target, {}, left, came.late)
    best = tune.best(scores)
    if best is None:
        return Tuned(scores, None, target, {})
    with locked(target):
        outcome = tuned_suite.merged(search.tables, search.where, target)  # with the rows that others have tuned since
        source = search.of.source(best, search.seeds)
        outcome["methods"][row] = tuned_suite.tuned_row(search.of.part, row, best.trial, len(search.of.trials), source)
        replace_file(target, tuned_suite.toml_text(outcome, str(target)).encode())
    counts = {name: table.get("trials", 0) for name, table in outcome["methods"].items()}
    return Tuned(scores, best, target, counts)


def _search(
    method: str, tables: dict[str, Any], where: str, dataset: str | None, wanted: TrialsWanted, settings: Sequence[str]
) -> tune.Search:
    """What is tried, of a suite's raw tables; a method that the suite lacks gets a row. Raises UserError or its kin."""
    rows = tables.get("methods")
    if isinstance(rows, dict) and method not in rows:
        methods.info(method)
        rows[method] = {}
    part = _part(suites.parts(tables, where), dataset, where)
    tune.check_suite(part, where)
    space, tried, how = wanted.made(methods.info(part.methods[method].method or method).hyper, part.training)
    chosen = tune.choose_settings(part, settings)
    return tune.Search(part, space, tried, chosen, tune.trial_suite(part, method, tried, chosen.values(), where), how)
