"""`status`: what is done, running, failed, out of date or waiting, for every started suite."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.table import Table

from bench import lease
from bench.commands import terminal
from bench.commands.options import DEFAULT_OUT, Out
from bench.progress import states
from common.errors import UserError
from results.store import Store

_TITLES = {"not started": "waiting", "other protocol version": "out of date"}
_COLUMNS = ("done", "running", "failed", "out of date", "waiting")


def status(
    suite: Annotated[str | None, typer.Argument(metavar="[SUITE]", help="Only this suite, run by run.")] = None,
    out: Out = DEFAULT_OUT,
) -> None:
    """Show how far the started suites are.

    Examples:

    - `status`
    - `status quick --out DIR`
    """
    from results import aggregate, frame

    store = Store(out)
    plans = store.plans()
    if not plans:
        raise UserError(f"--out {out}: no suite was started there (`run SUITE --out {out}` starts one)")
    if suite is not None and suite not in plans:
        raise UserError(f"no suite {suite!r} was started in {out} (started: {', '.join(plans)})")
    live = lease.live(store.root / "leases", lease.Observer())
    failures = store.failures()
    records = frame.load(store.root)
    table = Table("suite", *_COLUMNS)
    console = terminal.console()
    for name, plan in plans.items():
        if suite not in (None, name):
            continue
        runs = aggregate.statuses(records, [plan], failures, live)
        runs["status"] = runs["status"].replace(_TITLES)
        counts = Counter(runs["status"])
        table.add_row(name, *(str(counts[column]) for column in _COLUMNS))
        for run in runs.itertuples():
            label = f"{run.title}, {run.setting}, seed {run.seed}"
            if run.status == "running":
                holder = live[str(run.address)]
                where = ", ".join([holder.host, *states(holder)])
                console.print(f"running  {label}: {where}", highlight=False, soft_wrap=True)
            elif run.status == "failed":
                reason = failures[str(run.address)].strip().splitlines()[-1]
                console.print(f"failed   {label}: {reason}", highlight=False, soft_wrap=True)
            elif suite is not None:
                console.print(f"{run.status:8} {label}", highlight=False, soft_wrap=True)
    console.print(table)
    for address, fault in store.damaged().items():
        console.print(f"damaged  {address[:12]}: {fault}", highlight=False, soft_wrap=True)
