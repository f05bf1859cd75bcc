"""Which of our cells stands beside a published number, and what it says on the same test set by the same metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from common.specification import read
from reports.gather import Section
from reports.model import mean_std
from results import published
from results.aggregate import RULES
from results.record import noise_specification

_OUR_TEST_SETS = ("test", "webvision_val")


@dataclass(frozen=True)
class Ours:
    """One planned cell of ours. protocol: what `published.matches` looks at."""

    section: Section
    dataset: str
    setting: str
    method: str
    name: str
    protocol: dict[str, Any]


def our_cells(sections: Sequence[Section]) -> list[Ours]:
    """All planned cells."""
    cells: dict[tuple[Any, ...], Ours] = {}
    for section in sections:
        for cell in section.plan["cells"]:
            spec = read(cell["spec"])
            noise = cell.get("noise", cell["spec"]["noise"])  # of the column, where the row has made its own
            protocol = {
                "dataset": spec.dataset.name, "subset": spec.dataset.subset,
                "noise_model": noise["model"], "noise_rate": noise["rate"],
                "noise_specification": noise_specification({**cell["spec"], "noise": noise}), "network": spec.network,
                "epochs": spec.epochs,
            }  # fmt: skip
            place = cell["dataset"], cell["setting"], cell["method"]
            cells[section.name, *place] = Ours(section, *place, spec.method.name, protocol)
    return list(cells.values())


def rule_of(row: Mapping[Any, Any], cell: Ours, select: str | None) -> str:
    """The selection rule by which our cell stands beside a number: asked for, else the number's, else our own."""
    known = row["selection_rule"] if row["selection_rule"] != published.UNKNOWN else None
    return str(select or known or cell.section.rule_of(cell.dataset, cell.setting, cell.method))


def partner_of(row: Mapping[Any, Any], ours: Sequence[Ours], select: str | None, taken: set[str]) -> Ours | None:
    """Our cell for a published one: the row of that name, else of that method; the most alike, the fullest."""
    alike = [cell for cell in ours if same_task(row, cell)]
    named = [cell for cell in alike if cell.method == row["method"]]
    chosen = named or [cell for cell in alike if cell.name == row["method"] and cell.method not in taken]

    def distance(cell: Ours) -> tuple[int, int]:
        rule = rule_of(row, cell, select)
        return len(published.matches(row, cell.protocol, rule)), -int(figures_of(row, cell, rule)["n"])

    return min(chosen, key=distance, default=None)


def same_task(row: Mapping[Any, Any], cell: Ours) -> bool:
    """Whether both are of one data set and one noise."""
    rate = row["noise_rate"]
    return bool(
        row["dataset"] == cell.protocol["dataset"]
        and row["noise_model"] == published.noise_name(cell.protocol)
        and (pd.isna(rate) or math.isclose(rate, cell.protocol["noise_rate"]))
    )


def figures_of(row: Mapping[Any, Any], cell: Ours, select: str) -> pd.Series:
    """Our cell as a row of `aggregate.cells`, on the test set and by the metric of the published number."""
    table = cell.section.cells
    chosen = (table["dataset"] == cell.dataset) & (table["setting"] == cell.setting) & (table["rule"] == select)
    figures = table[chosen & (table["method"] == cell.method)].iloc[0]
    if (curve := _curve(row)) == "test_accuracy":
        return figures
    runs = cell.section.done(cell.dataset, cell.setting, cell.method)["address"]
    mean, std, n = mean_std([RULES[select].number(cell.section.material.records[run], curve) for run in runs])
    reason = figures["reason"] or ("" if n == len(runs) else "not measured")
    return pd.Series({**figures.to_dict(), "mean": mean, "std": std, "n": n, "reason": reason})


def _curve(row: Mapping[Any, Any]) -> str:
    """The record's curve of a published number's test set and metric."""
    name = "test" if row["test_set"] in _OUR_TEST_SETS else str(row["test_set"])
    return f"{name}_{'accuracy' if row['metric'] == 'top1' else 'top5'}"
