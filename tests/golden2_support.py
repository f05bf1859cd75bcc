"""The second set of reference values (`NOISY_BENCH_GOLDEN2`): where it lies, and how its cases are compared."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_support import Case, Got, compare

FOLDER2 = Path(os.environ.get("NOISY_BENCH_GOLDEN2") or Path(__file__).parents[2] / "shared" / "golden2")
By = Callable[[Case, torch.dtype], Iterator[Got]]
ASKED = set[str]()  # the files that tests have asked for


def read2(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER2 / f"{name}.json").read_text(encoding="utf-8"))
    return found


def cases_of(*files: str) -> list[Any]:
    """A parameter (file, case) for each case of these files; one that is skipped for a file that is not there."""
    found = []
    ASKED.update(files)
    for file in files:
        if not (FOLDER2 / f"{file}.json").is_file():
            skipped = pytest.mark.skip(reason=f"NOISY_BENCH_GOLDEN2 names no directory with {file}.json")
            found.append(pytest.param(file, {}, id=file, marks=skipped))
            continue
        found += [pytest.param(file, case, id=f"{file}-{case['name']}") for case in read2(file)["cases"]]
    return found


def agree(file: str, case: Case, found: Iterator[Got], absent: frozenset[str] = frozenset()) -> None:
    """Compare every step of a case with what was found; of informational cases only that it is there."""
    count = 0
    for number, got in enumerate(found):  # one at a time: a state is that of its step
        if case["compare"]:
            compare(file, case, number, got, absent)
        count += 1
    assert count == len(case["steps"])
