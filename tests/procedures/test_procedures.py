"""Every row of a suite that reproduces a table is its source's procedure, or says in what it is not.

The .toml files beside this one hold what the sources say, read apart from the suites: values of all rows (`shared`),
and of each row in the places that `where` names. `unknown`: what no source tells, which the row must declare.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.api.prices import cells_of, is_of
from bench.commands.list_rows import SuiteRow, rows_of
from bench.planning import suite as suites
from bench.planning.procedure import OF_THE_SUITE, own_settings, procedure, source_of
from bench.planning.spec import Cell
from results import published

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.toml"))
NONE = "none"  # TOML has no null


def facts(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


CASES = [(file.stem, row) for file in FILES for row in dict.fromkeys(row["name"] for row in facts(file)["row"])]


@cache
def resolved(suite: str) -> dict[str, SuiteRow]:
    return {row.name: row for row in rows_of(suite)}


def holds(where: Mapping[str, Any], cell: Cell) -> bool:
    """Whether facts are of this place: of its data set, and of the noise that the table's column has."""
    noise = cell.column or cell.spec.noise
    return (
        where.get("dataset", cell.spec.dataset.name) == cell.spec.dataset.name
        and where.get("model", noise.model) == noise.model
        and ("rates" not in where or noise.rate in where["rates"])
    )


def declared(cell: Cell) -> set[str]:
    """The keys that the deviations of a cell name: what stands before the first colon, comma-separated."""
    heads = [text.partition(":")[0] for text in cell.claim.deviations if ":" in text]
    return {key.strip() for head in heads for key in head.split(",")}


def differing(expected: Mapping[str, Any], found: Mapping[str, Any], cell: Cell) -> list[str]:
    """What is not as the source says, and is not declared either."""
    faults = []
    for key, value in expected.items():
        own = NONE if found.get(key, NONE) is None else found.get(key, NONE)
        if own != value and key not in declared(cell):
            faults.append(f"{cell.label} ({cell.spec.dataset.name}): {key} is {own!r}, the source has {value!r}")
    return faults


def compare(said: Mapping[str, Any], row: SuiteRow) -> list[str]:
    """The faults of one row against the facts of a file; a place without facts is one."""
    entries = [entry for entry in said["row"] if entry["name"] == row.name]
    faults = []
    for cell, part in row.cells:
        there = [entry for entry in entries if holds(entry.get("where", {}), cell)]
        if not there:
            faults.append(f"{cell.label} ({cell.spec.dataset.name}): nothing is said of it")
        for entry in there:
            assert entry.get("source") or entry.get("unknown"), f"{row.name}: facts without a source"
            values = entry.get("values", {})
            faults += differing(
                {**({} if "unknown" in entry else said["shared"]), **values}, procedure(cell, part), cell
            )
            if "unknown" in entry and not cell.claim.deviations:
                faults.append(f"{cell.label}: {entry['unknown']} is not known, and the row does not say so")
    return faults


@pytest.mark.parametrize(("suite", "row"), CASES, ids=[f"{suite}-{row}" for suite, row in CASES])
def test_procedures_of_rows_are_the_sources_or_declared(suite: str, row: str) -> None:
    said = facts(FOLDER / f"{suite}.toml")
    assert said["suite"] == suite
    assert compare(said, resolved(suite)[row]) == []


def test_procedures_are_known_of_every_row_of_every_suite_that_reproduces_a_table() -> None:
    said = {(suite, row) for suite, row in CASES}
    for name in suites.names():
        path = suites.locate(name)
        parts = suites.parts(suites.read(path), str(path))
        if parts[0].purpose == "reproduce" and name not in OF_NO_PAPER:
            assert {(name, row) for row in parts[0].methods} <= said
    assert len(CASES) >= 60


OF_NO_PAPER: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hyper.guessed_weight": 25.0}, "hyper.guessed_weight is 0.0, the source has 25.0"),
        ({"epochs": 300}, "epochs is 301, the source has 300"),
        ({"selection": "last"}, "selection is 'best_test', the source has 'last'"),
    ],
)
def test_procedures_with_a_planted_difference_fail(change: dict[str, Any], expected: str) -> None:
    said = facts(FOLDER / "divide-mix-style.toml")
    for entry in said["row"]:
        entry["values"] = {**entry.get("values", {}), **change}
    faults = compare(said, resolved("divide-mix-style")["divide_mix"])
    assert any(fault.endswith(expected) for fault in faults)


PLANTED = """
[[methods.divide_mix.when]]
dataset = "cifar10"
rates = [0.9]
hyper = { guessed_weight = 25.0 }
"""


def test_procedures_of_a_suite_file_with_a_planted_lambda_fail(tmp_path: Path) -> None:
    file = tmp_path / "divide-mix-style.toml"
    file.write_text(suites.locate("divide-mix-style").read_text() + PLANTED)
    row = next(row for row in rows_of(str(file)) if row.name == "divide_mix")
    assert len(compare(facts(FOLDER / "divide-mix-style.toml"), row)) == 1


def test_a_declared_key_may_differ_in_procedures_and_no_other(tmp_path: Path) -> None:
    text = suites.locate("divide-mix-style").read_text()
    head = "[methods.divide_mix]\n"
    file = tmp_path / "divide-mix-style.toml"
    said = facts(FOLDER / "divide-mix-style.toml")
    changed = text + PLANTED
    for declaration, faults in (("hyper.guessed_weight: as at 80%", 0), ("hyper.threshold: as at 80%", 1)):
        file.write_text(changed.replace(head, f'{head}deviations = ["{declaration}"]\n'))
        row = next(row for row in rows_of(str(file)) if row.name == "divide_mix")
        assert len(compare(said, row)) == faults


@pytest.mark.parametrize("paper", published.keys())
def test_procedures_without_deviations_have_the_network_and_length_of_the_published_number(paper: str) -> None:
    """Else the report finds that they differ, and a row that says it is the procedure never gets a verdict."""
    cells = [cell for cell, _ in cells_of(paper)]
    for row in published.load([paper]).to_dict("records"):
        for cell in cells:
            if cell.row != row["method"] or not is_of(row, cell) or cell.claim.deviations:
                continue
            ours = {"network": cell.spec.network, "epochs": cell.spec.epochs}
            for key, own in ours.items():
                theirs = row[key]
                unknown = pd.isna(theirs) or theirs == published.UNKNOWN
                assert unknown or theirs == own, f"{paper}, {cell.row}, {cell.setting}: {key} is {own}, not {theirs}"


def test_procedures_of_the_reproduction_are_those_of_its_table() -> None:
    """Of its two experiments that with networks for small images, whose logs have the table's means."""
    networks = {name: {cell.spec.network for cell, _ in row.cells} for name, row in resolved(REPRODUCTION).items()}
    two = {"elr_plus", "divide_mix", "sop_plus"}
    assert networks == {name: {"preact_resnet18" if name in two else "resnet34"} for name in networks}
    theirs = published.load([REPRODUCTION]).groupby("method")["network"].unique()
    assert all(list(theirs[name]) == list(networks[name]) for name in networks)


REPRODUCTION = "cifar-n-reproduction"


def test_procedures_say_what_a_row_scores_and_whose_word_that_is() -> None:
    cell, part = resolved(REPRODUCTION)["co_teaching"].cells[0]
    assert own_settings(cell, part)["scored"] == "ensemble"
    assert source_of("scored", cell, part.methods["co_teaching"]).startswith("KlemenVovk/noisy-labels")
    other = next(cell for cell, _ in resolved(REPRODUCTION)["elr_plus"].cells)
    assert source_of("scored", other, part.methods["elr_plus"]) == OF_THE_SUITE
    assert source_of("noise_rate_error", other, part.methods["elr_plus"]) == OF_THE_SUITE
