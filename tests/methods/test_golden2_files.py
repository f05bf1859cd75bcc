"""Every file of the second set of reference values (`NOISY_BENCH_GOLDEN2`) is compared by a test."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import golden2_losses
import golden2_support
import pytest
import test_golden2_matrices
from golden2_support import FOLDER2, read2

ELSEWHERE = {"NCE+AGCE", "NCE+AUL", "NCE+AEL"}  # losses of other authors that are no methods here, in anl.json


def compared() -> set[str]:
    """The files that the tests beside this one read."""
    for path in Path(__file__).parent.glob("test_golden2_*.py"):
        importlib.import_module(path.stem)
    return {*golden2_losses.ROUTES, *test_golden2_matrices.ROUTES, *golden2_support.ASKED}


@pytest.mark.skipif(not os.environ.get("NOISY_BENCH_GOLDEN2"), reason="NOISY_BENCH_GOLDEN2 names no folder")
def test_all_files_of_the_folder_that_is_named_are_compared() -> None:
    """A folder that is not there, or another one, would else have every test skipped, and all be well."""
    there = {path.stem for path in FOLDER2.glob("*.json")}
    assert there, f"NOISY_BENCH_GOLDEN2: {FOLDER2} has no reference values"
    assert there <= compared()
    assert len(compared()) == 17


@pytest.mark.skipif(not FOLDER2.is_dir(), reason="reference values are needed: NOISY_BENCH_GOLDEN2 names no directory")
def test_what_is_left_out_of_a_file_is_no_method_here() -> None:
    left = set()
    for name in golden2_losses.ROUTES:
        cases = read2(name)["cases"] if (FOLDER2 / f"{name}.json").is_file() else []
        kinds = [str(case["settings"].get("loss")) for case in cases]
        left |= {kind for kind in kinds if kind.startswith(golden2_losses.OTHERS) and not kind.startswith("OGC")}
    assert left <= ELSEWHERE
