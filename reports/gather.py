"""What a report is made of: records, curves and plans of one place, and one section for each suite."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from common.errors import unknown
from common.plan import Plan, PlanCell
from common.record import Record
from reports.errors import ReportError
from reports.legible_records import legible_plan, legible_record, told_apart
from reports.names import fit
from results import aggregate, frame
from results.arrays import check_arrays, load_npz
from results.doubts import Redraw, doubtful
from results.plan import plan_of
from results.record import StoreError
from results.sources import Source, find

ARRAYS = ("given", "true", "given_probability_mean", "own_score", "thumbnails", "thumbnail_rows")
OTHERS = "other-records"
"""Name of the section that holds the records which no plan names."""

CLEAN_LABELS = "clean labels"
"""The privilege of a row that is no competitor: it is trained on correct labels."""


@dataclass(frozen=True)
class Material:
    """All that lies at one path. curves: long form, as `results.frame.curves`. warnings: what could not be read.

    doubts: what contradicts itself in records, as `results.doubts` says.
    """

    source: Source
    frame: pd.DataFrame
    curves: pd.DataFrame
    records: dict[str, Record]
    plans: list[Plan]
    failed: dict[str, str]
    running: frozenset[str]
    warnings: list[str]
    doubts: tuple[str, ...] = ()

    def arrays(self, address: str) -> dict[str, NDArray[Any]] | None:
        """Those of the record's per-sample arrays that are drawn (ARRAYS; others can be large).

        None where there is no file of them, or it can't be read (then a warning says so).
        """
        path = self.source.arrays_path(address)
        if not path.exists():
            return None
        try:
            arrays = load_npz(path, ARRAYS)
            check_arrays(arrays, self.records[address], str(path))
        except StoreError as fault:
            if str(fault) not in self.warnings:
                self.warnings.append(str(fault))
            return None
        return arrays


@dataclass(frozen=True)
class Section:
    """One suite: its plan, its cells by all rules, and its done runs by the section's selection rule.

    cells: of `results.aggregate.cells`. runs: of `results.aggregate.runs`. frame: the rows of `results.frame.load` of
    its done runs with the cell they stand in (columns setting, row, title). forced: whether `select` was asked for, so
    that it holds for rows with a rule of their own too. whole: of a part, that of which names and looks are.
    """

    material: Material
    plan: Plan
    select: str
    cells: pd.DataFrame
    runs: pd.DataFrame
    frame: pd.DataFrame
    forced: bool = False
    whole: Section | None = None

    @property
    def name(self) -> str:
        """The suite's name, fit for files, anchors and labels."""
        return fit(str(self.plan["suite"]), "suite")

    @property
    def title(self) -> str:
        return str(self.plan.get("title") or self.plan["suite"])

    @cached_property
    def made(self) -> dict[str, Any]:
        """What others have made of the section once, by name, to be asked for again."""
        return {}

    @property
    def compares(self) -> bool:
        return bool(self.plan["purpose"] == "compare")

    @cached_property
    def datasets(self) -> list[str]:
        return self.whole.datasets if self.whole else list(dict.fromkeys(self.cells["dataset"]))

    def settings(self, dataset: str) -> list[str]:
        return list(dict.fromkeys(self.cells.loc[self.cells["dataset"] == dataset, "setting"]))

    @cached_property
    def places(self) -> list[tuple[str, str]]:
        """All (data set, setting), in the plan's order."""
        return list(dict.fromkeys(zip(self.cells["dataset"], self.cells["setting"], strict=True)))

    @cached_property
    def methods(self) -> dict[str, str]:
        """Row name -> title, in the plan's order."""
        if self.whole:
            return self.whole.methods
        return dict(self.cells.drop_duplicates("method")[["method", "title"]].itertuples(index=False, name=None))

    @cached_property
    def first_cells(self) -> dict[tuple[str, str, str], PlanCell]:
        """(data set, setting, row) -> the planned cell of its first seed."""
        cells: dict[tuple[str, str, str], PlanCell] = {}
        for cell in self.plan["cells"]:
            cells.setdefault((cell["dataset"], cell["setting"], cell["method"]), cell)
        return cells

    def rule_of(self, dataset: str, setting: str, method: str) -> str:
        """The selection rule of a cell's number: asked for, else the row's own, else the suite's."""
        own = None if self.forced else self.first_cells[dataset, setting, method].get("selection")
        return own or self.select

    @cached_property
    def selected(self) -> pd.DataFrame:
        """The cells, each by the selection rule of its number."""
        places = zip(*(self.cells[name] for name in ("dataset", "setting", "method", "rule")), strict=True)
        return self.cells[[self.rule_of(*place) == rule for *place, rule in places]]

    @cached_property
    def clean_rows(self) -> frozenset[str]:
        """The rows trained with clean labels, whether they have run or not: neither ranked nor tested."""
        marks = zip(self.frame["row"], self.frame["privileges"], strict=True)
        told = {row for row, privileges in marks if CLEAN_LABELS in privileges}
        planned = {
            cell["method"]
            for cell in self.plan["cells"]
            if cell["spec"]["dataset"].get("training_rows") == "clean_only"
        }
        return frozenset(told | planned)

    def dataset_title(self, dataset: str) -> str:
        known = self.frame.loc[self.frame["dataset"] == dataset, "dataset_title"]
        return dataset if known.empty else str(known.iloc[0])

    def place_title(self, dataset: str, setting: str) -> str:
        """The setting, with its data set where the suite has several."""
        return setting if len(self.datasets) == 1 else f"{self.dataset_title(dataset)}, {setting}"

    def done(self, dataset: str, setting: str, method: str | None = None) -> pd.DataFrame:
        """The rows of `frame` of one setting, or of one cell, by seed."""
        key = (dataset, setting) if method is None else (dataset, setting, method)
        return self._groups.get(key, self._none)

    @cached_property
    def _none(self) -> pd.DataFrame:
        return self.frame.head(0)

    @cached_property
    def _groups(self) -> dict[tuple[str, ...], pd.DataFrame]:
        table = self.frame.sort_values("seed", kind="stable")
        cells = {tuple(map(str, key)): rows for key, rows in table.groupby(["dataset", "setting", "row"], sort=False)}
        places = {tuple(map(str, key)): rows for key, rows in table.groupby(["dataset", "setting"], sort=False)}
        return cells | places


def gather(
    path: Path, running: Collection[str] = (), suites: Collection[str] = (), redraw: Redraw | None = None
) -> Material:
    """Read everything at `path`, or what belongs to the named suites there; redraw: see `results.doubts`.

    All comes from the records themselves: the cache beside them may be another's. Raises StoreError or ReportError with
    one line where there is nothing to report or no such suite.
    """
    faults: list[str] = []
    source = find(path)
    records = {record["address"]: legible_record(record) for record in source.records(faults.append)}
    every = [told_apart(legible_plan(plan)) for plan in source.plans().values()]
    planned = {cell["address"] for plan in every for cell in plan["cells"]}
    # Trials of `tune` are no results: what a choice rests on cannot show how good the choice is.
    plans = [plan for plan in every if not plan.get("tuning")]
    others = [record for address, record in sorted(records.items()) if address not in planned]
    if others:
        rest = told_apart(plan_of(OTHERS, others))
        plans.append({**rest, "title": "Other records" if planned else "Records"})
    if not plans:
        raise ReportError(_nothing(path, faults))
    failed = source.failures()
    if suites:
        plans = _chosen(plans, suites, path)
        kept = {cell["address"] for plan in plans for cell in plan["cells"]}
        records = {address: record for address, record in records.items() if address in kept}
    table = frame.of(records.values(), {plan["suite"]: plan for plan in every})
    curves = frame.curves_of(records.values())
    doubts = tuple(doubtful(records.values(), redraw))
    return Material(source, table, curves, records, plans, failed, frozenset(running), faults, doubts)


def frame_at(path: Path, faults: list[str]) -> pd.DataFrame:
    """The frame of the records at `path`; `faults` gets what could not be read, and what is doubtful."""
    records = [legible_record(record) for record in find(path).records(faults.append)]
    faults += doubtful(records)
    return frame.of(records, {})


def _nothing(path: Path, faults: list[str]) -> str:
    """Why there is nothing to report: the first record that could not be read, where there is one."""
    if faults:
        more = f" (and {len(faults) - 1} more records)" if len(faults) > 1 else ""
        return f"{faults[0]}{more}; {path} holds no other record and no plan"
    return f"{path}: no records and no plan of a suite (trials of `tune` apart); `run` makes them"


def _chosen(plans: list[Plan], suites: Collection[str], path: Path) -> list[Plan]:
    known = [str(plan["suite"]) for plan in plans]
    for name in suites:
        if name not in known:
            raise unknown("suite", name, known, str(path), error=ReportError)
    return [plan for plan in plans if plan["suite"] in suites]


def sections(material: Material, select: str | None = None) -> Iterator[Section]:
    """One section for each plan: comparisons before reproductions, so that the two never share a table."""
    for plan in sorted(material.plans, key=lambda plan: (plan["suite"] == OTHERS, plan["purpose"], plan["suite"])):
        yield section(material, plan, select)


def section(material: Material, plan: Plan, select: str | None = None) -> Section:
    """The section of one plan. Raises StoreError for an unknown rule and for runs that a table may not join."""
    rule = select or str(plan.get("selection") or "last")
    cells = aggregate.cells(material.frame, [plan], material.failed, material.running)
    runs = aggregate.runs(material.frame, [plan], rule)
    placed = runs[["address", "setting", "method", "title"]].rename(columns={"method": "row"})
    section_frame = placed.merge(material.frame, on="address", how="left", sort=False)
    return Section(material, plan, rule, cells, runs, section_frame, forced=select is not None)
