"""A suite's outcomes as lines of JSON, for a repository or for others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common.record import Record
from results.health import divergence_line
from results.layout import LINES_DIVERGED_SUFFIX, LINES_PLAN_SUFFIX, LINES_SUFFIX
from results.record import StoreError, dumps
from results.storage import replace_file
from results.store import Store


def export_jsonl(store: Store, suite: str, target: Path, run_by: str = "") -> int:
    """Write a suite's done records to target/<suite>.jsonl, one a line in the plan's order, the plan beside it.

    run_by: who executed the runs, which the records then say; those that others had handed in keep their names.
    Runs that diverged go to target/<suite>.diverged.json: address -> what was raised. The result is byte-stable for
    equal records; the host's name is left out. Per-sample arrays stay behind. Returns how many records were written.
    Raises StoreError where the suite is unknown or none of its runs is done.
    """
    plans = store.plans()
    if suite not in plans:
        raise StoreError(f"{store.root}: no suite {suite!r} was started here (accepted: {', '.join(plans) or 'none'})")
    plan = plans[suite]
    addresses = dict.fromkeys(cell["address"] for cell in plan["cells"])
    done = [store.load(address) for address in addresses if store.has(address)]
    if not done:
        raise StoreError(f"{store.root}: no run of the suite {suite!r} is done")
    bare = [_handed_on(record, run_by) for record in done]
    lines = [json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False) for record in bare]
    replace_file(target / f"{suite}{LINES_SUFFIX}", "".join(f"{line}\n" for line in lines).encode("ascii"))
    replace_file(target / f"{suite}{LINES_PLAN_SUFFIX}", dumps(plan).encode("ascii"))
    _write_diverged(store, addresses, target / f"{suite}{LINES_DIVERGED_SUFFIX}")
    return len(done)


def _write_diverged(store: Store, addresses: Iterable[str], file: Path) -> None:
    failures = store.failures()
    lines = {each: line for each in addresses if (line := divergence_line(failures.get(each, "")))}
    if lines:
        replace_file(file, dumps(lines).encode("ascii"))
    else:
        file.unlink(missing_ok=True)  # of an earlier export


def _handed_on(record: Record, run_by: str) -> dict[str, Any]:
    """The record without the name of the machine, which is nobody's business, and with that of who ran it."""
    execution = {key: value for key, value in record["execution"].items() if key != "host"}
    named = {"run_by": run_by} if run_by else {}
    return {**record, "execution": {**named, **execution}}
