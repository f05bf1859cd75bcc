"""`status`: what is done, running, failed, out of date or waiting, for every started suite, and what is not sound."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from bench.commands.options import DEFAULT_OUT, Out
from bench.sweep import lease, terminal
from bench.sweep.progress import place, states
from common.errors import UserError
from common.plan import Plan
from common.titles import told_apart
from results import health
from results.record import left_out_text
from results.store import Store

if TYPE_CHECKING:
    from pandas import DataFrame

_TITLES = {"not started": "waiting", "other protocol version": "out of date"}
_COLUMNS = ("done", "collapsed", "running", "diverged", "failed", "out of date", "waiting")
_RARE = ("collapsed", "diverged")  # columns shown only where there is such a run


Following = Annotated[
    bool, typer.Option("--follow", "-f", help="Show it again and again, until all runs are finished.")
]
_SECONDS = 2.0  # between two looks


def status(
    suite: Annotated[str | None, typer.Argument(metavar="[SUITE]", help="Only this suite, run by run.")] = None,
    out: Out = DEFAULT_OUT,
    following: Following = False,
) -> None:
    """Show how far the started suites are.

    Examples:

    - `status`
    - `status quick --out DIR`
    - `status --follow`
    """
    store, console, observer = Store(out), terminal.console(), lease.Observer()
    _check(store, suite, out)
    shown, unfinished = "", 1
    while unfinished:
        with console.capture() as drawn:
            unfinished = _show(console, store, suite, observer)
        if shown and console.is_terminal:
            console.clear()
        if console.is_terminal or drawn.get() != shown:  # a log needs nothing twice
            console.file.write(drawn.get())
            console.file.flush()
        shown = drawn.get()
        if not following:
            return
        if unfinished:
            time.sleep(_SECONDS)


def _check(store: Store, suite: str | None, out: Path) -> None:
    """Raise UserError unless the suite was started there; any, where none is named."""
    plans = store.plans()
    if not plans:
        raise UserError(f"--out {out}: no suite was started there (`run SUITE --out {out}` starts one)")
    if suite is not None and suite not in plans:
        raise UserError(f"no suite {suite!r} was started in {out} (started: {', '.join(plans)})")


def _show(console: Console, store: Store, suite: str | None, observer: lease.Observer) -> int:
    """Print how far all suites are, or `suite` run by run; returns how many runs are not finished."""
    from results import aggregate, frame

    plans = {name: plan for name, plan in store.plans().items() if suite in (None, name)}
    live = lease.live(store.layout.leases, observer)
    failures = store.failures()
    records = frame.load(store.root)
    told: dict[str, Counter[str]] = {}
    for name, plan in plans.items():
        runs = aggregate.statuses(records, [plan], failures, live)
        runs["status"] = runs["status"].replace(_TITLES)
        runs["title"] = _with_trusted(runs, plan)
        collapsed = _collapsed(store, plan, records)
        told[name] = counts = Counter(runs["status"])
        counts["collapsed"] = int(runs["address"].isin(set(collapsed)).sum())
        several = runs["dataset"].nunique() > 1
        for run in runs.itertuples():
            if line := _line(run, suite is not None, several, live, failures, collapsed):
                console.print(line, highlight=False, soft_wrap=True)
    console.print(_counts(told))
    for line in _left_out(store, plans, records):
        console.print(line, highlight=False, soft_wrap=True)
    for address, fault in store.damaged().items():
        console.print(f"damaged   {address[:12]}: {fault}", highlight=False, soft_wrap=True)
    return sum(counts[state] for counts in told.values() for state in ("running", "waiting"))


def _with_trusted(runs: DataFrame, plan: Plan) -> list[str]:
    """The titles of the runs as tables have them, with the number of samples whose true labels the method is told."""
    titles = told_apart({cell["method"]: cell["title"] for cell in plan["cells"]})
    told = {cell["address"]: cell["spec"]["dataset"].get("trusted") for cell in plan["cells"]}
    pairs = zip(map(titles.__getitem__, runs["method"]), runs["address"], strict=True)
    return [f"{title} ({told[where]['size']} trusted samples)" if told[where] else title for title, where in pairs]


def _line(
    run: Any,
    every: bool,
    several: bool,
    live: Mapping[str, lease.Holder],
    failures: Mapping[str, str],
    collapsed: Mapping[str, str],
) -> str:
    """What is said of one run of `aggregate.statuses`; empty of what needs no word, unless `every` run is told.

    several: the suite has several data sets.
    """
    address, state = str(run.address), str(run.status)
    label = f"{run.dataset}: " * several + f"{run.title}, {run.setting}, seed {run.seed}"
    if state == "running":
        holder = live[address]
        return f"running   {label}: {', '.join([*place(holder), *states(holder)])}"
    if state in ("failed", "diverged"):
        return f"{state:9} {label}: {health.failure_line(failures[address])}"
    if address in collapsed:
        return f"collapsed {label}: {collapsed[address]}"
    return f"{state:9} {label}" if every else ""


def _counts(told: dict[str, Counter[str]]) -> Table:
    """How many runs of each suite are in each state; the collapsed ones, if any, are among those done."""
    columns = [name for name in _COLUMNS if name not in _RARE or any(counts[name] for counts in told.values())]
    table = Table(box=box.SIMPLE_HEAD, padding=0)
    for name in ("suite", *columns):
        table.add_column(name, no_wrap=True)
    for suite, counts in told.items():
        table.add_row(suite, *(str(counts[name]) for name in columns))
    return table


def _left_out(store: Store, plans: Mapping[str, Plan], records: DataFrame) -> list[str]:
    """For each suite whose data had broken images left out: how many, why, and in how many of its runs."""
    with_gaps = records.loc[records["left_out"] > 0, "address"]
    texts = {str(address): left_out_text(store.load(address)) for address in with_gaps}
    lines = []
    for name, plan in plans.items():
        runs = Counter(texts[address] for cell in plan["cells"] if (address := str(cell["address"])) in texts)
        lines += [f"{name}: left out of the data as broken: {text}, in {number} runs" for text, number in runs.items()]
    return lines


def _collapsed(store: Store, plan: Plan, records: DataFrame) -> dict[str, str]:
    """Address -> from which epoch on and why, of the plan's collapsed runs; of trials by noisy validation alone."""
    own = {str(cell["address"]) for cell in plan["cells"]}
    known = records[records["address"].isin(own)]
    if plan.get("tuning"):
        trials = {address: store.load(address) for address in known["address"]}
        judged = {
            address: health.collapse_on_validation(record["curves"], record["data"]["num_classes"])
            for address, record in trials.items()
        }
    else:
        fallen = known[known["collapsed_epoch"].notna()].to_dict("records")
        judged = {
            run["address"]: {"epoch": run["collapsed_epoch"], "reason": run["collapsed_reason"]} for run in fallen
        }
    return {address: health.collapse_text(collapse) for address, collapse in judged.items() if collapse is not None}
