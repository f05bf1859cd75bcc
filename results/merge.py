"""Others' records: taken into a store, compared with one's own, and written as lines for a repository."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from results.plan import cell_key, joined
from results.record import PROTOCOL, Record, StoreError, dumps, identity, result
from results.sources import PLAN_SUFFIX, Report, Source, find, warn
from results.store import Arrays, Store, load_npz, replace_file


@dataclass
class MergeSummary:
    """What became of others' records, by address; `conflicts` maps an address to where the results differ.

    added: taken over, `other_versions` among them. duplicates: ours with the same result (times and machines may
    differ). conflicts: ours with another result, kept as ours is. other_versions: added records of another protocol
    version, or whose run we have under other version numbers (data set, noise, method): no table joins them.
    plans_apart: suites whose plans hold cells of another protocol than our plan's, or of other noisy labels under the
    same heading, which were left out of ours.
    """

    added: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    conflicts: dict[str, str] = field(default_factory=dict)
    other_versions: list[str] = field(default_factory=list)
    plans_apart: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The summary in words, one line each; conflicts with address and first difference."""
        told = [
            f"{len(self.added)} added, {len(self.duplicates)} already there with the same result, "
            f"{len(self.conflicts)} in conflict (ours kept), {len(self.other_versions)} of other versions"
        ]
        told += [f"conflict {address[:12]}: {where}" for address, where in self.conflicts.items()]
        told += [
            f"suite {suite}: cells of another protocol or of other noisy labels were left out of our plan"
            for suite in self.plans_apart
        ]
        return told


def merge(paths: Sequence[Path | str], into: Store, report: Report = warn) -> MergeSummary:
    """Take the records, arrays and plans at `paths` (anything `results.load` reads) into a store.

    Nothing of ours is changed or removed. Records that are cut short are reported and left out. Raises StoreError
    where a path holds no records, is the store itself, or storage fails; all paths are looked at before anything is
    written.
    """
    sources = [find(path) for path in paths]
    for source in sources:
        if source.store is not None and source.store.root.resolve() == into.root.resolve():
            raise StoreError(f"{source.path}: can't merge a store into itself")
    summary = MergeSummary()
    known = {identity(into.load(address)["spec"]): address for address in into.addresses()}
    for source in sources:
        for record in source.records(report):
            _take(record, source, into, known, summary, report)
        _take_plans(source, into, summary)
    return summary


def _take(
    record: Record, source: Source, into: Store, known: dict[str, str], summary: MergeSummary, report: Report
) -> None:
    address = record["address"]
    if into.has(address):
        difference = first_difference(result(into.load(address)), result(record))
        if difference is None:
            summary.duplicates.append(address)
        else:
            summary.conflicts[address] = difference
        return
    into.publish(record, _arrays(address, source, report))
    summary.added.append(address)
    ours = known.setdefault(identity(record["spec"]), address)
    if record["spec"]["protocol"] != PROTOCOL or ours != address:
        summary.other_versions.append(address)


def _arrays(address: str, source: Source, report: Report) -> Arrays | None:
    beside = source.path if source.path.is_dir() else source.path.parent
    path = source.store.arrays_path(address) if source.store is not None else beside / f"{address}.npz"
    if not path.is_file():
        return None
    try:
        return load_npz(path)
    except StoreError as fault:
        report(str(fault))
        return None


def _take_plans(source: Source, into: Store, summary: MergeSummary) -> None:
    ours = into.plans()
    for suite, theirs in source.plans().items():
        plan = joined(theirs, ours[suite]) if suite in ours else theirs
        if {cell_key(cell) for cell in theirs["cells"]} - {cell_key(cell) for cell in plan["cells"]}:
            summary.plans_apart.append(suite)
        into.write_plan(plan)


def first_difference(ours: Any, theirs: Any, key: str = "") -> str | None:
    """Where two JSON values first differ, such as "final.ece: 0.1 here, 0.2 there"; None where they are equal."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            inner = f"{key}.{name}" if key else name
            if name not in ours or name not in theirs:
                return f"{inner}: only {'there' if name in theirs else 'here'}"
            if (found := first_difference(ours[name], theirs[name], inner)) is not None:
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next((d for i, (a, b) in pairs if (d := first_difference(a, b, f"{key}[{i}]")) is not None), None)
    return None if ours == theirs else f"{key}: {_short(ours)} here, {_short(theirs)} there"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def export_jsonl(store: Store, suite: str, target: Path) -> int:
    """Write a suite's done records to target/<suite>.jsonl, one a line in the plan's order, the plan beside it.

    The result is byte-stable for equal records; the host's name is left out. Per-sample arrays stay behind. Returns how
    many records were written. Raises StoreError where the suite is unknown or none of its runs is done.
    """
    plans = store.plans()
    if suite not in plans:
        raise StoreError(f"{store.root}: no suite {suite!r} was started here (accepted: {', '.join(plans) or 'none'})")
    plan = plans[suite]
    addresses = dict.fromkeys(cell["address"] for cell in plan["cells"])
    done = [store.load(address) for address in addresses if store.has(address)]
    if not done:
        raise StoreError(f"{store.root}: no run of the suite {suite!r} is done")
    for record in done:
        record["execution"].pop("host", None)
    lines = [json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False) for record in done]
    replace_file(target / f"{suite}.jsonl", "".join(f"{line}\n" for line in lines).encode("ascii"))
    replace_file(target / f"{suite}{PLAN_SUFFIX}", dumps(plan).encode("ascii"))
    return len(done)
