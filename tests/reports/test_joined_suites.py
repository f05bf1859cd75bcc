"""What several suites together show, and a report of some of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import run
from synthetic_records import make_store

from reports.build import build_report
from results import statistics
from results.aggregate import runs
from results.frame import load
from results.store import Store

METHODS = ["cross_entropy", "elr", "car"]
RATES = [("symmetric", rate / 10) for rate in range(2, 7)]


@pytest.fixture(scope="module")
def two_suites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five settings of two data sets each, three seeds."""
    root = tmp_path_factory.mktemp("two")
    for suite, dataset in (("first", "digits"), ("second", "cifar10")):
        make_store(root, METHODS, RATES, suite=suite, dataset=dataset, epochs=2, size=40)
    return root


def _table(root: Path, name: str) -> list[str]:
    return (root / "tables" / f"{name}.md").read_text(encoding="utf-8").splitlines()


def test_two_suites_are_tested_together(two_suites: Path, tmp_path: Path) -> None:
    page = build_report(two_suites, tmp_path / "report").index
    head, *lines = _table(page.parent, "tests")
    assert head == "### All comparisons: 10 settings: tests against Cross-entropy"
    store = Store(two_suites)
    expected = statistics.against(runs(load(two_suites), list(store.plans().values())), "cross_entropy", METHODS)
    rows = [line.split(" | ") for line in lines if line.startswith("| ")][2:]
    assert [row[1:3] for row in rows] == [["30", "10"], ["30", "10"]]
    assert [row[3].replace("−", "-") for row in rows] == [f"{100 * value:+.2f}" for value in expected["difference"]]
    assert any("Suites: First, Second. A row has in each of them the settings" in line for line in lines)
    assert (page.parent / "figures" / "critical-difference.svg").is_file()
    assert "All comparisons: 10 settings" in page.read_text(encoding="utf-8")


def test_suites_that_hold_one_cell_differently_are_not_joined(two_suites: Path, tmp_path: Path) -> None:
    shutil.copytree(two_suites, tmp_path / "three")
    make_store(tmp_path / "three", METHODS, RATES, suite="third", dataset="digits", epochs=3, size=40)
    page = build_report(tmp_path / "three", tmp_path / "all").index
    assert not (page.parent / "tables" / "tests.md").exists()
    page = build_report(tmp_path / "three", tmp_path / "some", suites=["first", "second"]).index
    assert _table(page.parent, "tests")


def test_a_report_of_one_suite_holds_nothing_of_others(two_suites: Path, tmp_path: Path) -> None:
    code, told = run("report", "--records", two_suites, "--suites", "second", "--out", tmp_path, cwd=tmp_path)
    assert code == 0, told
    names = {path.name.partition("-")[0] for path in (tmp_path / "report" / "tables").iterdir()}
    assert names == {"second", "runs.md", "runs.tex", "runs.csv", "commands.csv"}
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "suite-second" in text and "suite-first" not in text and "45, digest of their addresses" in text


@pytest.mark.parametrize(
    ("given", "said"),
    [("secnd", "unknown suite 'secnd'; did you mean 'second'? (accepted: first, second)"), (",", "name at")],
)
def test_an_unknown_suite_is_one_line(given: str, said: str, two_suites: Path, tmp_path: Path) -> None:
    code, told = run("report", "--records", two_suites, "--suites", given, "--out", tmp_path / "new", cwd=tmp_path)
    assert code == 2
    (line,) = told.strip().splitlines()
    assert said in line
    assert not (tmp_path / "new").exists()
