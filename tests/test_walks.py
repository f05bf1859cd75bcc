"""The three walks of docs/walks.md, typed as they stand, each command in a process of its own.

What the main job leaves is taken from NOISY_BENCH_QUICK where .ci/run has executed it; else a short run stands for it.
"""

from __future__ import annotations

import csv
import doctest
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT
from documentation import ENTRY, HOME, blocks, commands

pytestmark = pytest.mark.slow
PAGE = HOME / "docs" / "walks.md"
TYPED = "not run: tests/test_walks.py types it"


def _type(line: str, folder: Path) -> str:
    """What a command says; it must go well."""
    words = shlex.split(line)
    assert words[0] == "python", line
    program = HOME / words[1] if line.startswith(ENTRY) else folder / words[1]
    ended = subprocess.run(
        [sys.executable, str(program), *words[2:]], cwd=folder, env={**ENVIRONMENT, "COLUMNS": "80"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, cifar_root: Path) -> Path:
    """The folder in which all three were walked."""
    folder = tmp_path_factory.mktemp("walks")
    if ready := os.environ.get("NOISY_BENCH_QUICK"):
        shutil.copytree(Path(ready) / "output", folder / "output", ignore=shutil.ignore_patterns("report"))
    else:
        _type(f"{ENTRY} run quick --methods cross_entropy --seeds 1 --epochs 2", folder)
    rules = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for block in blocks(PAGE):
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        for line, expected in commands(block) if block.marker == TYPED else ():
            said = _type(line, folder)
            agree = not expected or doctest.OutputChecker().check_output(expected, said, rules)
            assert agree, f"{block.place}: {line}\nexpected:\n{expected}\nsaid:\n{said}"
    return folder


def test_a_newcomer_gets_a_page_and_a_table_of_a_setting_of_their_own(walked: Path) -> None:
    assert "Pair flips" in (walked / "output" / "report" / "index.html").read_text(encoding="utf-8")
    table = (walked / "output" / "report" / "tables" / "mine-accuracy.md").read_text(encoding="utf-8")
    assert all(f"| {row} |" in table for row in ("Cross-entropy", "ELR", "ELR, lambda 1"))
    assert "pair flip 30%" in table and "Nothing is bold" in table


def test_a_reproducer_sees_published_numbers_and_why_none_has_a_verdict(walked: Path) -> None:
    table = (walked / "paper" / "report" / "tables" / "paper-elr-table1.md").read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if line.startswith("| Cross-entropy |"))
    assert "86.98 ± 0.12 (5)" in row and row.count("(not run, about") == 7
    for told in ("network: resnet34 there, small cnn here", "500 here", "Verdicts over 56", "small cnn: Small CNN"):
        assert told in table, told


def test_an_author_has_one_store_with_tables_csv_and_records_to_hand_on(walked: Path) -> None:
    tables = walked / "joined" / "report" / "tables"
    assert "\\toprule" in (tables / "mine-accuracy.tex").read_text(encoding="utf-8")
    rows = list(csv.DictReader((tables / "mine-accuracy.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["method"] for row in rows] == ["cross_entropy", "elr", "elr_weak"]
    assert all(row["machines"] and float(row["seconds_per_run"]) > 0 for row in rows)
    assert list((walked / "joined" / "report" / "figures").glob("mine-*.pdf"))
    plans = {path.stem for path in (walked / "joined" / "plans").glob("*.json")}
    assert {"mine", "elr-table1", "quick"} <= plans
    lines = (walked / "handed-in" / "mine.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)["address"] for line in lines}) == 3


def test_every_command_of_the_walks_is_typed() -> None:
    shown = [block for block in blocks(PAGE) if block.language == "console"]
    assert sum(block.marker != TYPED for block in shown) == 1  # installing, and the main job
