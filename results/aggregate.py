"""From runs to cells: means over seeds by selection rule, holes that explain themselves, and what may not be joined."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from common.plan import Plan
from results.health import is_divergence
from results.inference import TIE
from results.record import StoreError, identity
from results.selection_rules import RULES, SelectionRule

__all__ = [
    "RULES", "STATUSES", "cells", "comparing", "order_changes", "planned", "purpose", "rule", "runs", "statuses",
]  # fmt: skip

STATUSES = ("done", "running", "diverged", "failed", "other protocol version", "not started")


_CELL = ["dataset", "setting", "method"]


def rule(name: str) -> SelectionRule:
    """The selection rule of that name. Raises StoreError listing the accepted names."""
    return RULES.get(name)


def purpose(plans: Sequence[Plan]) -> str:
    """The plans' common purpose. Raises StoreError where `compare` and `reproduce` are mixed."""
    kinds = {plan["purpose"] for plan in plans}
    if len(kinds) > 1:
        names = {kind: ", ".join(p["suite"] for p in plans if p["purpose"] == kind) for kind in sorted(kinds)}
        told = " and ".join(f"{kind} ({suites})" for kind, suites in names.items())
        raise StoreError(f"suites of different purpose can't share a table: {told}; report them apart")
    return str(kinds.pop()) if kinds else "compare"


def comparing(plans: Sequence[Plan]) -> None:
    """Raise StoreError unless all plans are `compare` suites: ranks, bold and tests exist only there."""
    if purpose(plans) != "compare":
        names = ", ".join(plan["suite"] for plan in plans)
        raise StoreError(f"{names}: a `reproduce` suite has each method under its own protocol, so nothing is ranked")


def planned(plans: Sequence[Plan]) -> pd.DataFrame:
    """All planned runs, in the plans' order, each once.

    Columns: dataset, setting, method (the row's name), title, name (the method's registry name), seed, address,
    identity. Raises StoreError where purposes are mixed.
    """
    purpose(plans)
    columns = [*_CELL, "title", "name", "seed", "address", "identity"]
    rows = [
        (c["dataset"], c["setting"], c["method"], c["title"], c["spec"]["method"]["name"], c["seed"], c["address"],
         identity(c["spec"]))
        for plan in plans for c in plan["cells"]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).drop_duplicates([*_CELL, "seed", "address"], ignore_index=True)


def statuses(
    frame: pd.DataFrame, plans: Sequence[Plan], failed: Mapping[str, str] | None = None, running: Collection[str] = ()
) -> pd.DataFrame:
    """`planned` with a column `status` (one of STATUSES).

    failed: address -> traceback, as the store tells; a run whose loss was no longer finite is "diverged". running:
    addresses, as the leases tell. A run is "other protocol version" where
    only a record with other version numbers (protocol, data set, noise or method) is there.
    """
    table = planned(plans)
    done, elsewhere = set(frame["address"]), set(frame["identity"])
    failed = failed or {}

    def status(run: Any) -> str:
        if run.address in done:
            return "done"
        if run.address in running:
            return "running"
        if run.address in failed:
            return "diverged" if is_divergence(failed[run.address]) else "failed"
        return "other protocol version" if run.identity in elsewhere else "not started"

    table["status"] = [status(run) for run in table.itertuples()]
    return table


def runs(frame: pd.DataFrame, plans: Sequence[Plan], select: str = "last") -> pd.DataFrame:
    """The done runs of the plans, with what the selection rule makes of each.

    Columns: dataset, setting, method, title, name, seed, address, fingerprint, value (NaN where the run lacks what the
    rule needs). Raises StoreError for an unknown rule, mixed purposes, and runs that a table may not join: one seed
    twice in a cell, unequal configurations in a cell, two fingerprints for one noise specification and seed.
    """
    column = rule(select).column
    table = _done(frame, planned(plans))
    kept = [*_CELL, "title", "name", "seed", "address", "fingerprint"]
    return table[kept].assign(value=table[column].astype(float))


def _done(frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    added = ["address", "fingerprint", "noise_specification", "configuration", "collapsed_epoch"]
    added += [each.column for each in RULES]
    done = table.merge(frame[added], on="address", how="inner", sort=False)
    _check_cells(done)
    _check_fingerprints(done)
    return done


def _check_cells(table: pd.DataFrame) -> None:
    for _, cell in table.groupby(_CELL, sort=False):
        place = " / ".join(str(cell[name].iloc[0]) for name in _CELL)
        twice = cell[cell.duplicated("seed", keep=False)]
        if len(twice):
            names = ", ".join(twice["address"].str[:12].head(2))
            raise StoreError(f"{place}: seed {twice['seed'].iloc[0]} is there twice (records {names}); one per seed")
        for column, what in (("noise_specification", "noise specifications"), ("configuration", "configurations")):
            if cell[column].nunique() > 1:
                names = ", ".join(cell.drop_duplicates(column)["address"].str[:12].head(2))
                raise StoreError(f"{place}: a mean can't join runs of different {what} (records {names})")


def _check_fingerprints(table: pd.DataFrame) -> None:
    for _, group in table.groupby(["noise_specification", "seed"], sort=False):
        if group["fingerprint"].nunique() > 1:
            both = group.drop_duplicates("fingerprint").head(2)
            place = f"{both['dataset'].iloc[0]} / {both['setting'].iloc[0]}, seed {both['seed'].iloc[0]}"
            names = " and ".join(f"{a[:12]} ({m})" for a, m in zip(both["address"], both["method"], strict=True))
            raise StoreError(
                f"{place}: two different noisy label sets, in records {names}; "
                "they come from different noise generators or files"
            )


def cells(
    frame: pd.DataFrame, plans: Sequence[Plan], failed: Mapping[str, str] | None = None, running: Collection[str] = ()
) -> pd.DataFrame:
    """The tidy table of cells: one row for each data set, setting, method and selection rule, in the plans' order.

    | column | meaning |
    |---|---|
    | dataset, setting, method, title | the cell; `method` is the row's name, `title` what tables show |
    | rule | name of the selection rule |
    | mean, std | over seeds; sample standard deviation (ddof 1), NaN for n = 1 |
    | n, planned | runs that the mean joins, runs that the plan holds |
    | noise_draws | different noisy label sets among the n (1 for human labels: then n counts initialisations only) |
    | collapsed | of the n that the mean joins, those that collapsed |
    | done, running, diverged, failed, other_version, not_started | the planned runs by status |
    | reason | why n is below `planned`, in words; empty where nothing is missing |

    Raises StoreError as `runs` does.
    """
    states = statuses(frame, plans, failed, running)
    done = _done(frame, states)
    groups = dict(iter(done.groupby(_CELL, sort=False)))
    rows = []
    for key, group in states.groupby(_CELL, sort=False):
        counts = {status: int((group["status"] == status).sum()) for status in STATUSES}
        for selection in RULES:
            values = groups[key].dropna(subset=[selection.column]) if key in groups else done.head(0)
            rows.append(_cell(group, values, selection, counts))
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    *_CELL, "title", "rule", "mean", "std", "n", "planned", "noise_draws", "collapsed",
    *(status.replace("other protocol version", "other_version").replace(" ", "_") for status in STATUSES), "reason",
]  # fmt: skip


def _cell(group: pd.DataFrame, done: pd.DataFrame, selection: SelectionRule, counts: dict[str, int]) -> list[Any]:
    values = done[selection.column].astype(float)
    first = group.iloc[0]
    reasons = [f"{count} {status}" for status, count in counts.items() if count and status != "done"]
    if (lacking := counts["done"] - len(values)) > 0:
        reasons.append(f"{lacking} done with {selection.lacks}")
    return [
        *(first[name] for name in [*_CELL, "title"]), selection.name, values.mean(), values.std(ddof=1), len(values),
        len(group), done["fingerprint"].nunique(), int(done["collapsed_epoch"].notna().sum()), *counts.values(),
        ", ".join(reasons),
    ]  # fmt: skip


def order_changes(table: pd.DataFrame, select: str = "last") -> pd.DataFrame:
    """Pairs of methods whose order under `select` is reversed under another rule, by setting; from `cells`.

    Columns: dataset, setting, better, worse (titles, as ordered under `select`), rule (the other one), difference and
    other_difference (better minus worse under `select` and under the other rule). Ties are no order. The other rules
    are those that `table` holds.
    """
    rule(select)
    rows, others = [], list(dict.fromkeys(table["rule"]))
    for key, group in table.groupby(["dataset", "setting"], sort=False):
        means = group.pivot(index="method", columns="rule", values="mean")
        titles = group.drop_duplicates("method").set_index("method")["title"]
        for first, second in itertools.combinations(titles.index, 2):
            gaps = means.loc[first] - means.loc[second]
            if gaps[select] < 0:
                first, second, gaps = second, first, -gaps
            rows += [
                (*key, titles[first], titles[second], other, gaps[select], gaps[other])
                for other in others
                if gaps[select] > TIE and gaps[other] < -TIE
            ]
    names = ["dataset", "setting", "better", "worse", "rule", "difference", "other_difference"]
    return pd.DataFrame(rows, columns=names)
