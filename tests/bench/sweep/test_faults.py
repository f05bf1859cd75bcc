"""Fault injection: a suite killed at random instants loses nothing, does nothing twice, and gives the same records."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from command_line import kill_all, results, resumes, run, start, wait_for, write_suite

from bench.sweep import lease
from results.store import Store

KILLS = int(os.environ.get("NOISY_BENCH_KILLS", "6"))
"""How often the suite is killed; 30 and more for a release."""


@pytest.mark.slow
def test_random_kills_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random(7)
    methods = ("cross_entropy", "co_teaching", "elr", "car")
    write_suite(tmp_path / "s.toml", epochs=30, seeds=max(1, KILLS // 6), methods=methods)
    arguments = ("run", "s.toml", "--jobs", 2, "--checkpoint-seconds", 0)
    store = tmp_path / "out"
    for _ in range(KILLS):
        process = start(*arguments, "--out", "out", cwd=tmp_path)
        epoch, more = rng.randrange(0, 20), rng.uniform(0.0, 0.5)

        def reached(process: subprocess.Popen[str] = process, epoch: int = epoch) -> bool:
            live = lease.live(store / "leases", lease.Observer()).values()
            return any(holder.epoch >= epoch for holder in live) or process.poll() is not None

        wait_for(reached)
        time.sleep(more)
        kill_all(process)
    status, output = run(*arguments, "--out", "out", cwd=tmp_path, timeout=600)
    assert status == 0, output
    assert run(*arguments, "--out", "whole", cwd=tmp_path, timeout=600)[0] == 0
    whole = results(tmp_path / "whole")
    assert len(whole) == len(methods) * max(1, KILLS // 6)
    assert results(store) == whole
    assert resumes(store) >= KILLS // 3
    assert Store(store).damaged() == {}
    assert not list((store / "checkpoints").glob("*"))
    assert not list((store / "leases").glob("*"))
