"""Records handed in: what `tools/verify_records.py` accepts, and what it finds in those that were changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import ENVIRONMENT
from documentation import HOME
from small_runs import published, specification


def verified(lines: Path) -> tuple[int, str]:
    command = [sys.executable, str(HOME / "tools" / "verify_records.py"), str(lines)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made = published(tmp_path_factory.mktemp("store"), specification())
    return {**made, "execution": {**made["execution"], "run_by": "Ada Lovelace"}}


def written(folder: Path, record: dict[str, Any]) -> Path:
    path = folder / "handed-in.jsonl"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return path


def test_an_honest_record_holds(record: dict[str, Any], tmp_path: Path) -> None:
    status, said = verified(written(tmp_path, record))
    assert status == 0 and "1 records, 0 faults" in said and "first epoch trained again: Cross-entropy" in said


def test_a_better_first_epoch_than_the_one_trained_again(record: dict[str, Any], tmp_path: Path) -> None:
    changed = json.loads(json.dumps(record))
    changed["curves"]["train_loss"][0] += 1.0
    status, said = verified(written(tmp_path, changed))
    assert status == 1 and "epoch 1, train_loss" in said


def test_nobody_who_ran_it(record: dict[str, Any], tmp_path: Path) -> None:
    execution = {key: value for key, value in record["execution"].items() if key != "run_by"}
    status, said = verified(written(tmp_path, {**record, "execution": execution}))
    assert status == 1 and "nobody is named who ran it" in said
