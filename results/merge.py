"""Others' records: taken into a store, and compared with one's own."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from common.plan import Plan
from common.record import Record
from results.arrays import Arrays, check_arrays, load_npz
from results.doubts import Redraw, doubtful
from results.health import divergence_line
from results.plan import joined
from results.record import PROTOCOL, StoreError, identity, result
from results.sources import Report, Source, find, warn
from results.storage import replace_file
from results.store import Store

_LOOKED_AT = ("address", "spec", "titles", "noise", "curves", "selection", "final")
"""What `results.doubts` looks at, of records of which many are kept."""


@dataclass
class MergeSummary:
    """What became of others' records, by address; `conflicts` maps an address to where the results differ.

    added: taken over, `other_versions` among them. duplicates: ours with the same result (times and machines may
    differ). conflicts: ours with another result, kept as ours is. other_versions: added records of another protocol
    version, or whose run we have under other version numbers (data set, noise, method): no table joins them.
    grown: suite -> cells that their plan has added to ours. apart: suite -> the name under which their plan, which
    cannot be joined with ours of that name, was kept beside it. diverged: runs of theirs that diverged and that we have
    no outcome of. doubts: of `results.doubts`, about what was added.
    """

    added: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    conflicts: dict[str, str] = field(default_factory=dict)
    other_versions: list[str] = field(default_factory=list)
    grown: dict[str, int] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)
    diverged: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The summary in words, one line each; conflicts with address and first difference."""
        told = [
            f"{len(self.added)} added, {len(self.duplicates)} already there with the same result, "
            f"{len(self.conflicts)} in conflict (ours kept), {len(self.other_versions)} of other versions"
        ]
        told += [f"{len(self.diverged)} that diverged were taken over"] if self.diverged else []
        told += [f"conflict {address[:12]}: {where}" for address, where in self.conflicts.items()]
        told += [f"suite {suite}: {count} cells added to our plan" for suite, count in self.grown.items()]
        told += [
            f"suite {suite}: their plan of that name is of another purpose, protocol, selection rule or labels; "
            f"ours is unchanged, theirs is the suite {name}"
            for suite, name in self.apart.items()
        ]
        return [*told, *self.doubts]


def merge(
    paths: Sequence[Path | str], into: Store, report: Report = warn, redraw: Redraw | None = None
) -> MergeSummary:
    """Take the records, arrays and plans at `paths` (anything `results.load` reads) into a store: all or nothing.

    Nothing of ours is changed or removed. Records that are cut short or malformed are reported and left out. Raises
    StoreError where a path holds no records or a malformed plan, is the store itself, or storage fails; then nothing of
    this merge stays. redraw: see `results.doubts`.
    """
    sources = [find(path) for path in paths]
    for source in sources:
        if source.store is not None and source.store.root.resolve() == into.root.resolve():
            raise StoreError(f"{source.path}: can't merge a store into itself")
    plans = [source.plans() for source in sources]  # all are looked at before anything is written
    failed = [source.failures() for source in sources]
    into.plans()
    summary, added = MergeSummary(), list[Record]()
    known = {}
    for address in into.addresses():
        with contextlib.suppress(StoreError):  # `status` and `report` tell of it
            known[identity(into.load(address)["spec"])] = address
    with _undone(into) as undo:
        for source, theirs, failures in zip(sources, plans, failed, strict=True):
            for record in source.records(report):
                _take(record, source, into, known, summary, report, undo)
                if summary.added[-1:] == [record["address"]]:
                    added.append(cast(Record, {key: record.get(key) for key in _LOOKED_AT}))
            _take_diverged(failures, into, summary, undo)
            _take_plans(source, theirs, into, summary, undo)
    summary.doubts = doubtful(added, redraw)
    return summary


@dataclass
class _Undo:
    """What a merge has written: files that were not there, and plans as they were."""

    new: list[Path] = field(default_factory=list)
    plans: dict[Path, bytes] = field(default_factory=dict)


@contextlib.contextmanager
def _undone(into: Store) -> Iterator[_Undo]:
    """Take back what the block has written where it ends in an error (a full disk, say) or is interrupted."""
    folders = [
        folder
        for folder in (into.layout.records, into.layout.plans, into.layout.failed, into.root)
        if not folder.exists()
    ]
    undo = _Undo()
    try:
        yield undo
    except BaseException:
        for path, content in undo.plans.items():
            replace_file(path, content)
        for path in undo.new:
            path.unlink(missing_ok=True)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _take(
    record: Record, source: Source, into: Store, known: dict[str, str], summary: MergeSummary, report: Report,
    undo: _Undo,
) -> None:  # fmt: skip
    address = record["address"]
    if into.has(address):
        difference = first_difference(result(into.load(address)), result(record))
        if difference is None:
            summary.duplicates.append(address)
        else:
            summary.conflicts[address] = difference
        return
    undo.new += [path for path in (into.record_path(address), into.arrays_path(address)) if not path.exists()]
    into.publish(record, _arrays(record, source, report))
    summary.added.append(address)
    ours = known.setdefault(identity(record["spec"]), address)
    if record["spec"]["protocol"] != PROTOCOL or ours != address:
        summary.other_versions.append(address)


def _take_diverged(failures: dict[str, str], into: Store, summary: MergeSummary, undo: _Undo) -> None:
    """That a run diverged is a result of its settings; why else one failed is a matter of their machine."""
    for address, traceback in failures.items():
        line = divergence_line(traceback)
        if line and not into.has(address) and into.failure(address) is None:
            undo.new.append(into.layout.failure(address))
            into.fail(address, line)
            summary.diverged.append(address)


def _arrays(record: Record, source: Source, report: Report) -> Arrays | None:
    path = source.arrays_path(record["address"])
    if not path.exists():
        return None
    try:
        arrays = load_npz(path)
        check_arrays(arrays, record, str(path))
    except StoreError as fault:
        report(f"{fault}; the record is taken without its arrays")
        return None
    return arrays


def _take_plans(source: Source, plans: dict[str, Plan], into: Store, summary: MergeSummary, undo: _Undo) -> None:
    for suite, theirs in plans.items():
        mine = into.plans()
        plan, ours = theirs, mine.get(suite)
        if ours is not None:
            both = joined(theirs, ours)
            if _fits(theirs, ours, both):
                plan = both
                if grown := len(both["cells"]) - len(ours["cells"]):
                    summary.grown[suite] = grown
            else:
                plan = _named_apart(theirs, _origin(source), mine)
                summary.apart[suite] = plan["suite"]
        path = into.layout.plan(plan["suite"])
        if path.exists():
            undo.plans.setdefault(path, path.read_bytes())
        else:
            undo.new.append(path)
        into.write_plan(plan)


def _fits(theirs: Plan, ours: Plan, both: Plan) -> bool:
    """Whether one table may show both plans: one purpose, one rule, and no run of theirs left out of it."""
    if theirs["purpose"] != ours["purpose"] or (theirs.get("selection") or "last") != (ours.get("selection") or "last"):
        return False
    return {cell["address"] for cell in theirs["cells"]} <= {cell["address"] for cell in both["cells"]}


def _origin(source: Source) -> str:
    """The name of the place that records come from, fit for a suite's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", source.path.resolve().stem).strip("-")[:40] or "others"


def _named_apart(theirs: Plan, origin: str, mine: dict[str, Plan]) -> Plan:
    """Their plan under a name that no plan of ours has, unless it is this very plan, taken over before."""
    stem = f"{theirs['suite'][:50]}-{origin}"
    title = f"{theirs.get('title') or theirs['suite']} (from {origin})"
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        plan: Plan = {**theirs, "suite": name, "title": title, "origin": origin}
        if mine.get(name) in (None, plan):
            return plan
        number += 1


def first_difference(ours: Any, theirs: Any, key: str = "") -> str | None:
    """Where two JSON values first differ, such as "final.ece: 0.1 here, 0.2 there"; None where they are equal."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            inner = f"{key}.{name}" if key else name
            if name not in ours or name not in theirs:
                return f"{inner}: only {'there' if name in theirs else 'here'}"
            if (difference := first_difference(ours[name], theirs[name], inner)) is not None:
                return difference
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next((d for i, (a, b) in pairs if (d := first_difference(a, b, f"{key}[{i}]")) is not None), None)
    return None if ours == theirs else f"{key}: {_short(ours)} here, {_short(theirs)} there"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
