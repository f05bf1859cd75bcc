"""Fixtures shared by all tests: where real data and reference values lie, if they do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cifar_root() -> Path:
    """The directory of the real CIFAR files; the test is skipped where NOISY_BENCH_DATA names none."""
    named = os.environ.get("NOISY_BENCH_DATA")
    if not named:
        pytest.skip("real CIFAR is needed: NOISY_BENCH_DATA is not set")
    root = Path(named).expanduser()
    if not all((root / folder).is_dir() for folder in ("cifar-10-batches-py", "cifar-100-python")):
        pytest.skip(f"real CIFAR is needed: not below {root}")
    return root


@pytest.fixture(scope="session")
def golden_root() -> Path:
    """The directory of the reference values; the test is skipped where there is none (NOISY_BENCH_GOLDEN)."""
    named = os.environ.get("NOISY_BENCH_GOLDEN")
    root = Path(named).expanduser() if named else Path(__file__).parents[2] / "shared" / "golden"
    if not root.is_dir():
        pytest.skip("reference values are needed: NOISY_BENCH_GOLDEN names no directory")
    return root
