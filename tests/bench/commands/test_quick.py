"""The main job, as a user runs it: `run_benchmark.py` alone, from noisy labels to tables, figures and a page."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run
from PIL import Image

from results import frame

pytestmark = pytest.mark.slow
TITLES = ("Cross-entropy", "Co-teaching", "ELR", "CAR (NAL code, beta > 0)")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that it writes, and what it says; of NOISY_BENCH_QUICK, where the job has been run and said so."""
    if ready := os.environ.get("NOISY_BENCH_QUICK"):
        return Path(ready) / "output", (Path(ready) / "said.txt").read_text()
    folder = tmp_path_factory.mktemp("quick")
    status, said = run(cwd=folder, timeout=1200)
    assert status == 0, said
    assert [path.name for path in folder.iterdir()] == ["output"]
    return folder / "output", said


@pytest.fixture(scope="module")
def symmetric(quick: tuple[Path, str]) -> pd.DataFrame:
    """The runs at symmetric 50%."""
    records = frame.load(quick[0])
    assert len(records) == 24
    return records[records["noise"] == "symmetric 50%"]


def test_the_terminal_shows_the_table(quick: tuple[Path, str]) -> None:
    _, said = quick
    table = said[said.index("Quick comparison on digits") :]
    assert all(title in table for title in TITLES)
    assert "symmetric 50%" in table
    assert "asymmetric 40%" in table
    assert "output/report/index.html" in table


def test_every_table_is_there_in_three_formats(quick: tuple[Path, str]) -> None:
    folder = quick[0] / "report" / "tables"
    names = {path.stem for path in folder.iterdir()} - {"commands"}
    assert "quick-accuracy" in names
    for name in names:
        for suffix in ("md", "tex", "csv"):
            assert (folder / f"{name}.{suffix}").read_text().strip(), f"{name}.{suffix}"
        assert len(pd.read_csv(folder / f"{name}.csv", comment="#")), name
    accuracy = (folder / "quick-accuracy.md").read_text()
    assert all(title in accuracy for title in TITLES)


def test_every_figure_is_a_picture_of_something(quick: tuple[Path, str]) -> None:
    figures = list((quick[0] / "report" / "figures").glob("*.png"))
    assert {"quick-test-accuracy", "quick-memorisation", "quick-confidence"} <= {path.stem for path in figures}
    for path in figures:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert min(pixels.shape[:2]) > 100, path.name
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20, path.name


@pytest.mark.parametrize("name", ["index.html", "suite-quick.html"])
def test_the_pages_stand_alone(quick: tuple[Path, str], name: str) -> None:
    page = (quick[0] / "report" / name).read_text()
    assert all(title in page for title in ("Cross-entropy", "Co-teaching", "ELR", "CAR"))
    assert name == "index.html" or "<svg" in page
    assert '<link rel="stylesheet" href="http' not in page
    assert '<script src="http' not in page


def test_cross_entropy_memorises_and_falls_from_its_best(symmetric: pd.DataFrame) -> None:
    plain = symmetric[symmetric["method"] == "cross_entropy"]
    assert len(plain) == 3
    assert plain["memorised"].mean() >= 0.80
    assert (plain["accuracy_best_test"] - plain["accuracy_last"]).mean() >= 0.10


@pytest.mark.parametrize("method", ["co_teaching", "elr", "car"])
def test_the_others_end_far_above_it(method: str, symmetric: pd.DataFrame) -> None:
    last = symmetric.groupby("method")["accuracy_last"].mean()
    assert last[method] - last["cross_entropy"] >= 0.10


def test_a_second_time_nothing_is_run(quick: tuple[Path, str]) -> None:
    folder = quick[0]
    before = {path.name: path.read_bytes() for path in (folder / "records").iterdir()}
    status, said = run("run", "quick", cwd=folder.parent)
    assert (status, "24 runs, 24 done, 0 to do" in said) == (0, True)
    assert {path.name: path.read_bytes() for path in (folder / "records").iterdir()} == before
