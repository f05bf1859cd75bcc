"""Runs that are killed at random times, in small: what `tools/soak.py` does for hours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, HOME


@pytest.mark.slow
def test_a_small_soak_finds_nothing_amiss(tmp_path: Path) -> None:
    options = ("--runs", "2", "--kills", "2", "--jobs", "2", "--longest", "6", "--folder", str(tmp_path / "soak"))
    done = subprocess.run(
        [sys.executable, str(HOME / "tools" / "soak.py"), *options],
        env=ENVIRONMENT, check=False, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert "0 lost, 0 twice, 0 different, 0 left over; 2 kills so far" in done.stdout
    assert done.stdout.endswith("all is well\n")


def test_what_is_lost_twice_or_left_over_is_found(tmp_path: Path) -> None:
    sys.path.insert(0, str(HOME / "tools"))
    try:
        import soak
    finally:
        sys.path.pop(0)
    line = "[1/2] Cross-entropy, symmetric 50%, seed 0: test accuracy 1.0% at the last epoch"
    assert (
        soak.DONE.findall(f"{line}\nwarning: x\n{line}\n[2/2] ELR, seed 1: FAILED: x\n")
        == ["Cross-entropy, symmetric 50%, seed 0"] * 2
    )
