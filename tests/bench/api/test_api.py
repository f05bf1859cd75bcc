"""What a script may call: the same as the commands, in a process of its own, without a guard of the main module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Command
from documentation import HOME, blocks

import bench
from common.errors import UserError
from methods.registry import MethodError

PAGE = HOME / "docs" / "python.md"
TINY = {"training.epochs": 1, "data.subset": 100}


def script(text: str, folder: Path) -> str:
    """What a script prints, run as a user runs it."""
    (folder / "quick.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "quick.py"], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_ten_lines_run_quick_and_print_its_accuracy(tmp_path: Path) -> None:
    text = next(block for block in blocks(PAGE) if block.language == "python").text
    assert len(text.strip().splitlines()) <= 10
    printed = script(text.replace("seeds=2", f"seeds=2, settings={TINY}"), tmp_path)
    assert "mean" in printed
    rows = [line.split() for line in printed.splitlines() if line.startswith(("cross_entropy", "elr"))]
    assert len(rows) == 2 and all(row[-1] == "2" and 0 <= float(row[-3]) <= 100 for row in rows)
    assert printed.endswith("runs in the store\n")


def test_asking_for_nothing_imports_nothing() -> None:
    text = "import sys, bench; print(sorted(n for n in sys.modules if n.split('.')[0] in ('bench', 'pandas', 'torch')))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=HOME)
    assert done.stdout.strip() == "['bench']"
    assert sorted(bench.__all__) == ["plan", "records", "report", "run", "tune"]
    with pytest.raises(AttributeError, match="no attribute 'paln'"):
        _ = bench.paln  # type: ignore[attr-defined]


def test_a_package_of_the_same_name_from_elsewhere_is_named_at_import(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-c", "from bench import run"], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{HOME}"},
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: the package 'datasets' comes from {tmp_path / 'datasets'}, not from {HOME}")
    assert last.endswith("run in this project's own environment")


def test_a_script_does_what_the_commands_do(
    command: Command, in_process: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = bench.plan("quick", methods=["elr", "gce"], seeds=1, settings=TINY)
    assert {cell.row for cell in planned.cells} == {"elr", "gce"} and {cell.spec.epochs for cell in planned.cells} == {
        1
    }
    texts = [f"{key}={value}" for key, value in TINY.items()]
    assert [cell.address for cell in bench.plan("quick", methods="elr,gce", seeds=1, settings=texts).cells] == [
        cell.address for cell in planned.cells
    ]
    ran = bench.run(planned, out="output", log_every=0)
    assert not ran.failed and len(ran.table) == len(planned.cells) == len(bench.records("output"))
    assert capsys.readouterr().out == ""
    options = [part for text in texts for part in ("--set", text)]
    again = command("run", "quick", "--methods", "elr,gce", "--seeds", 1, *options)
    assert again.status == 0 and f"{len(planned.cells)} done, 0 to do" in again.out
    built = bench.report("output", tmp_path / "page")
    assert built.index == tmp_path / "page" / "index.html" and built.index.is_file()


def test_tuning_from_a_script(in_process: list[str], tmp_path: Path) -> None:
    found = bench.tune(
        "elr", "quick", trials=2, settings={**TINY, "data.validation": {"source": "inside", "size": 20}}, out=tmp_path
    )
    assert [score.trial.number for score in found.scores] == [0, 1] and found.best is not None
    assert found.suite.is_file() and found.trials["elr"] == 2


def test_bad_input_is_said_as_the_command_says_it(
    in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"quikc.*did you mean 'quick'"):
        bench.run("quikc")
    with pytest.raises(MethodError, match="did you mean 'elr'"):
        bench.plan("quick", methods=["elrr"])
    with pytest.raises(UserError, match=r"training\.epoch"):
        bench.plan("quick", settings={"training.epoch": 3})
    with pytest.raises(UserError, match="--capture 'on'"):
        bench.run("quick", capture="on")
    assert not Path("output").exists()
