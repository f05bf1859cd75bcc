"""Our own published tables come out of our own published records, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import HOME

from reports.build import build_report

RECORDS = HOME / "results" / "reference"
TABLES = HOME / "reports" / "reference" / "tables"
FIGURES = HOME / "reports" / "reference" / "figures"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "report"
    build_report(RECORDS, folder)
    return folder


def test_every_committed_table_is_made_again(report: Path) -> None:
    committed = {path.name: path.read_bytes() for path in TABLES.iterdir()}
    made = {path.name: path.read_bytes() for path in (report / "tables").iterdir()}
    assert committed
    assert sorted(made) == sorted(committed)
    assert [name for name in committed if made[name] != committed[name]] == []


def test_every_committed_figure_is_made_again(report: Path) -> None:
    # their bytes follow the version of matplotlib, so only which there are is held
    committed = {path.name for path in FIGURES.iterdir()}
    assert committed
    assert committed == {path.name for path in (report / "figures").glob("*.svg")}
