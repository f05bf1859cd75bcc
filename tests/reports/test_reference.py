"""Our own published tables come out of our own published records, to the byte."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from command_line import HOME

from bench.api import functions
from bench.api.planned import plan_suite
from reports import figure_style
from results.health import collapse_on_validation

RECORDS = HOME / "results" / "reference"
REPORT = HOME / "reports" / "reference"
TABLES, FIGURES = REPORT / "tables", REPORT / "figures"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_style, "SUFFIXES", ("svg",))  # the other forms are of the same pictures, and take longer
        functions.report(RECORDS, folder)
    return folder


def test_every_committed_table_is_made_again(report: Path) -> None:
    committed = {path.name: path.read_bytes() for path in TABLES.iterdir()}
    made = {path.name: path.read_bytes() for path in (report / "tables").iterdir()}
    del made["commands.csv"]  # of what suites are today
    assert committed
    assert sorted(made) == sorted(committed)
    assert [name for name in committed if made[name] != committed[name]] == []


def test_every_committed_figure_is_made_again(report: Path) -> None:
    # their bytes follow the version of matplotlib, so only which there are is held
    committed = {path.name for path in FIGURES.iterdir()}
    assert committed
    assert committed == {path.name for path in (report / "figures").glob("*.svg")}


def test_the_committed_leaderboard_is_made_again(report: Path) -> None:
    assert (report / "index.html").read_bytes() == (REPORT / "index.html").read_bytes()


# suite -> the suite at which its rows were tuned
TUNED_AT = {
    "cifar10-lite": "cifar10-lite",
    "cifar10n-lite": "cifar10-lite",
    "car-ablation": "cifar10-lite",
    "cifar100-lite": "cifar100-lite",
    "cifar100n-lite": "cifar100-lite",
    "car-ablation-cifar100": "cifar100-lite",
    "cifar10-quarter-tuned": "cifar10-quarter",
    "cifar10-core": "cifar10-core",
}
# Rows beside the tuned ones, which show a method as it is at the suite's own settings.
UNTUNED = {"cifar10-core": {"cross_entropy_untuned"}}


def trials_at(suite: str) -> dict[str, list[dict[str, str]]]:
    """Row of the suite -> its trials."""
    return {
        path.stem.removeprefix(f"{suite}-"): list(csv.DictReader(path.read_text().splitlines()))
        for path in sorted((RECORDS / "tuning").glob(f"{suite}-*.csv"))
    }


@pytest.mark.parametrize("name", TUNED_AT)
def test_tuned_rows_have_the_settings_of_their_best_trial(name: str) -> None:
    trials = trials_at(TUNED_AT[name])
    planned = plan_suite(name, [], None, None, {}, "cpu")
    own = {cell.row: cell.spec for cell in planned.cells if cell.row in trials}
    assert ({"elr", "car"} if name == "cifar10-quarter-tuned" else {"cross_entropy", "car"}) <= set(own)
    for row, spec in own.items():
        best = max(trials[row], key=lambda trial: float(trial["noisy_validation_accuracy"]))  # the earliest of equals
        settings = {**spec.optimizer, **spec.method.hyper}
        searched = [key for key in best if key not in ("trial", "noisy_validation_accuracy", "runs", "state")]
        assert {key: float(settings[key]) for key in searched} == {key: float(best[key]) for key in searched}


@pytest.mark.parametrize("name", TUNED_AT)
def test_every_row_of_a_tuned_suite_had_as_many_trials(name: str) -> None:
    planned = plan_suite(name, [], None, None, {}, "cpu")
    rows = {key: row for part in planned.parts for key, row in part.methods.items()}
    untuned = {key: rows.pop(key) for key in UNTUNED.get(name, ())}
    assert {row.trials for row in rows.values()} == {len(trials) for trials in trials_at(TUNED_AT[name]).values()}
    for row in untuned.values():
        assert "not tuned" in str(row.title) and row.trials == 0
        assert row.hyper == {} and row.training.optimizer == {}


@pytest.mark.parametrize(
    ("page", "suite"),
    [
        ("README.md", "cifar10-core"),
        ("README.md", "cifar10-lite"),
        ("docs/findings.md", "cifar10-core"),
        ("docs/findings.md", "cifar10-lite"),
        ("docs/findings.md", "cifar100-lite"),
    ],
)
def test_pages_show_the_committed_main_table(page: str, suite: str) -> None:
    """Each of its rows as far as its settings go; the columns of cost are left out."""
    head, _, *rows = (
        line.split(" | ")
        for line in (TABLES / f"{suite}-accuracy.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    )
    text = (HOME / page).read_text(encoding="utf-8")
    width = min(head.index(name) for name in ("mean of settings", "passes") if name in head)
    assert width > 1 and len(rows) > 1
    for row in (head, *rows):
        assert " | ".join(row[:width]) + " |\n" in text


def test_the_trials_that_collapsed_are_called_so() -> None:
    """As `tune` would write it from their records, by noisy validation alone."""
    found = {}
    for plan in sorted((RECORDS / "tuning").glob("*.plan.json")):
        rows = {cell["address"]: cell["method"] for cell in json.loads(plan.read_text())["cells"]}
        lines = plan.with_name(plan.name.replace(".plan.json", ".jsonl")).read_text().splitlines()
        judged = {
            rows[record["address"]]: collapse_on_validation(record["curves"], record["data"]["num_classes"])
            for record in map(json.loads, lines)
        }
        path = plan.with_name(plan.name.removeprefix("tune-").replace(".plan.json", ".csv"))
        for trial in csv.DictReader(path.read_text().splitlines()):
            found[path.stem, trial["trial"]] = trial["state"]
            assert trial["state"] == ("collapsed" if judged[f"trial-{int(trial['trial']):03d}"] else ""), path.stem
    assert {key for key, state in found.items() if state} == {("cifar10-quarter-elr", "4")}
