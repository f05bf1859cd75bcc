"""Means, tests, ranks and bold of one report are of the same thing: settings weigh alike, hits are counted."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import HOME

from reports import competition, figure_ranks, tables
from reports.comparison import comparison_tables
from reports.figure_style import house_style
from reports.gather import Section, gather, sections
from reports.model import Table
from reports.render import markdown
from results.record import address

Cells = list[tuple[str, str, float, int, float]]
"""Method, data set, noise rate, seed and accuracy of a run."""
RATES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
TITLES = {"cross_entropy": "Cross-entropy", "elr": "ELR", "gce": "GCE", "sce": "SCE", "a": "A", "b": "B"}


def _template() -> dict[str, Any]:
    lines = (HOME / "results" / "reference" / "quick.jsonl").read_text(encoding="utf-8").splitlines()
    return next(one for one in map(json.loads, lines) if one["spec"]["method"]["name"] == "cross_entropy")


def _record(template: dict[str, Any], method: str, dataset: str, rate: float, seed: int, accuracy: float) -> Any:
    found = copy.deepcopy(template)
    spec = found["spec"]
    spec["method"].update(name=method, hyper={})
    spec["noise"].update(model="symmetric", rate=rate)
    spec["seed"], spec["dataset"]["name"] = seed, dataset
    found["titles"].update(method=TITLES[method], noise=f"symmetric {100 * rate:g}%", dataset=dataset.title())
    found["noise"]["fingerprint"] = hashlib.sha256(f"{dataset} {rate} {seed}".encode()).hexdigest()
    found["curves"]["test_accuracy"] = [accuracy] * len(found["curves"]["epoch"])
    for chosen in (*found["selection"].values(), found["final"]):
        chosen["test_accuracy"] = accuracy
    return {**found, "address": address(spec)}


def _section(folder: Path, cells: Cells, missing: Sequence[tuple[str, str, float]] = ()) -> Section:
    """A suite `told` of these cells; missing: planned and not run."""
    template = _template()
    made = [_record(template, *cell) for cell in cells]
    kept = [one for one, cell in zip(made, cells, strict=True) if cell[:3] not in missing]
    (folder / "told.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in kept), encoding="utf-8")
    planned = [
        {"address": one["address"], "dataset": cell[1], "method": cell[0], "network": one["spec"]["network"],
         "noise": one["spec"]["noise"], "seed": cell[3], "setting": one["titles"]["noise"], "spec": one["spec"],
         "title": TITLES[cell[0]]}
        for one, cell in zip(made, cells, strict=True)
    ]  # fmt: skip
    plan = {"format": 1, "suite": "told", "title": "told", "description": "", "paper": "", "remark": "",
            "purpose": "compare", "selection": "last", "trials": {}, "tuning": False, "cells": planned}  # fmt: skip
    (folder / "told.plan.json").write_text(json.dumps(plan), encoding="utf-8")
    return next(sections(gather(folder)))


def _tables(section: Section) -> dict[str, Table]:
    best = competition.best_of(section)
    assert best is not None
    return {one.name: one for one in [*tables.accuracy_tables(section, best), *comparison_tables(section, best)]}


def _rows(table: Table) -> dict[str, list[str]]:
    labels = {"": [column.label for column in table.columns[1:]]}
    return labels | {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def _bold(table: Table) -> set[str]:
    return {row[0].text for row in table.rows if row[0].bold}


def _caption(section: Section) -> str:
    found = competition.ranks_of(section)
    with house_style():
        drawn = figure_ranks.critical_difference("told", found, "last", competition.left_out_note(found, [section]))
    return drawn.caption


@pytest.mark.parametrize("seed", range(2))
def test_the_test_is_of_the_number_beside_it(seed: int, tmp_path: Path) -> None:
    rng, cells = np.random.default_rng(seed), []
    for rate, count, gap in ((0.2, 20, 0.01), (0.5, 2, -0.03)):
        for number in range(count):
            level = round(float(rng.normal(0.8, 0.003)), 4)
            for method, shift in (("cross_entropy", -0.1), ("a", 0.0), ("b", gap)):
                cells.append((method, "digits", rate, number, round(level + shift, 4)))
    found = _tables(_section(tmp_path, cells))
    accuracy = _rows(found["told-accuracy"])
    assert _bold(found["told-accuracy"]) == {"A", "B"}
    means = {name: float(accuracy[name][accuracy[""].index("mean of settings")]) for name in "AB"}
    assert _rows(found["told-best"])["B"][2] == "−1.00"
    assert means["B"] - means["A"] == pytest.approx(-1, abs=0.011)


def test_a_mean_of_settings_is_of_those_in_the_table(tmp_path: Path) -> None:
    cells = [
        (method, dataset, rate, seed, round(level + 0.001 * number + 0.1 * seed + gain, 6))
        for dataset, level in (("digits", 0.2), ("letters", 0.3))
        for number, rate in enumerate(RATES)
        for seed in range(3)
        for method, gain in (("cross_entropy", 0.0), ("elr", 0.05))
    ]
    found = _tables(_section(tmp_path, cells))
    for dataset, mean in (("digits", "30.25"), ("letters", "40.25")):
        rows = _rows(found[f"told-accuracy-{dataset}"])
        assert rows["Cross-entropy"][rows[""].index("mean of settings")] == mean
        assert f"mean over the settings of {dataset.title()}, which weigh" in found[f"told-best-{dataset}"].notes[0]
    assert "mean over the settings of Digits and Letters, which weigh" in found["told-best"].notes[0]


@pytest.mark.parametrize("seed", range(2))
def test_equally_many_hits_are_a_tie(seed: int, tmp_path: Path) -> None:
    rng, cells = np.random.default_rng(seed), []
    for number in range(12):
        hits = rng.integers(340, 390, 3)
        moved = hits + rng.integers(1, 5) * np.array([1, -1, 0])
        for run_seed in range(3):
            for method, count in (("cross_entropy", hits - 20), ("a", hits), ("b", moved)):
                place = ("digits", "letters")[number // 6], RATES[number % 6]
                cells.append((method, *place, run_seed, float(count[run_seed] / 400)))
    section = _section(tmp_path, cells)
    assert competition.ranks_of(section).ranks == {"a": 1.5, "b": 1.5, "cross_entropy": 3}
    assert "p = 6.1e-06" in _caption(section)
    assert _rows(_tables(section)["told-wins"])["A"][2] == "0 / 12 / 0"


def _ranked(methods: Sequence[str], step: float) -> Cells:
    return [
        (method, dataset, rate, 0, round(0.9 - rate / 2 + step * number, 4))
        for dataset in ("cifar10", "cifar100")
        for rate in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
        for number, method in enumerate(methods)
    ]


def test_who_is_not_in_the_diagram_is_said(tmp_path: Path) -> None:
    cells = _ranked(["cross_entropy", "elr", "gce", "sce"], 0.01)
    section = _section(tmp_path, cells, missing=[("sce", "cifar10", 0.1)])
    assert "Not ranked: SCE (no value in Cifar10, symmetric 10%)." in _caption(section)
    told = "Not ranked, because runs are missing in some setting: SCE."
    found = _tables(section)
    assert told in found["told-accuracy-cifar10"].notes and told not in found["told-accuracy-cifar100"].notes


def test_all_equal_is_said_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        section = _section(tmp_path, _ranked(["cross_entropy", "elr", "gce"], 0.0))
        found = _tables(section)
        assert "all equal" in _caption(section)
    assert _rows(found["told-tests"])["ELR"][-1] == "all equal"
    assert _bold(found["told-accuracy-cifar10"]) == {"Cross-entropy", "ELR", "GCE"}
    assert not any(re.search(r"\bnan\b", markdown(table)) for table in found.values())
