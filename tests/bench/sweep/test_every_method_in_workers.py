"""Every method in two workers and in one: the same records bit for bit, and no warning from either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, HOME, results

from methods import registry
from results.store import Store

SHORT = ("--seeds", "1", "--epochs", "2", "--set", "data.subset=200", "--set", "data.trusted.size=20", "--quiet")


@pytest.mark.slow
def test_two_workers_give_the_records_of_one_without_a_warning(tmp_path: Path) -> None:
    """Warnings are those of a processor: all are shown, also such as Python leaves out."""
    for jobs in ("1", "2"):
        command = ("run", "all-methods", *SHORT, "--jobs", jobs, "--out", jobs)
        ended = subprocess.run(
            [sys.executable, str(HOME / "run_benchmark.py"), *command],
            env={**ENVIRONMENT, "PYTHONWARNINGS": "always"}, cwd=tmp_path, check=False, capture_output=True, text=True,
            timeout=1200,
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    store = Store(tmp_path / "1")
    assert {store.load(one)["spec"]["method"]["name"] for one in store.addresses()} == set(registry.registered())
    assert results(tmp_path / "1") == results(tmp_path / "2")
    for address in store.addresses():
        assert store.arrays_path(address).read_bytes() == Store(tmp_path / "2").arrays_path(address).read_bytes()
