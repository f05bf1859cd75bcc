"""How many runs at a time what the process was given bears; the command starts no more."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import ENVIRONMENT, HOME, write_suite
from small_runs import specification

from bench.planning.spec import Cell
from bench.sweep import room
from common import allotment
from common.allotment import Part


def cell(*settings: str) -> Cell:
    return Cell("cross_entropy", "cross_entropy", "symmetric 50%", specification("cross_entropy", *settings))


def record(network: str, mebibytes: float, device: str = "cpu") -> Any:
    return {"spec": {"network": network}, "execution": {"device": device, "peak_memory_mib": mebibytes}}


@pytest.mark.parametrize(
    ("processors", "memory", "records", "threads", "expected"),
    [
        (8, 64, [], 1, 8),
        (8, 64, [], 4, 2),
        (8, 64, [], 16, 1),
        (8, 1, [], 1, 1),  # a container of 1 GiB does not start eight
        (8, 4, [], 1, 3),  # 1 GiB each, where nothing is known, beside the command itself
        (8, 4, [("digits_cnn", 480)], 1, 8),
        (8, 4, [("digits_cnn", 480), ("digits_cnn", 1900)], 1, 2),
        (8, 4, [("digits_cnn", 480, "cuda"), ("small_cnn", 10)], 1, 3),
    ],
)
def test_runs_at_a_time(
    processors: int, memory: int, records: list[Any], threads: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allotment, "processors", lambda: Part(processors, "SLURM_CPUS_PER_TASK"))
    monkeypatch.setattr(allotment, "memory", lambda: Part(memory * 2**30, "the control group's limit"))
    found = room.room([cell(f"training.threads={threads}")], (record(*one) for one in records), "cpu")
    assert found.runs == expected
    assert ("memory" in found.why) == (expected < processors // threads)


def test_what_a_run_takes_of_the_host_beside_an_accelerator_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allotment, "processors", lambda: Part(8, "the machine"))
    monkeypatch.setattr(allotment, "memory", lambda: Part(2**30, "the control group's limit"))
    assert room.room([cell()], [], "cuda") == room.Room(8)


def said(folder: Path, *before: str, **variables: str) -> str:
    """What a small sweep says that was started with these words before it, and with these variables."""
    write_suite(folder / "s.toml", epochs=1)
    command = [*before, sys.executable, str(HOME / "run_benchmark.py"), "run", "s.toml"]
    environment = {**ENVIRONMENT, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors to give away")
def test_the_command_keeps_to_the_affinity_mask(tmp_path: Path) -> None:
    one = str(min(os.sched_getaffinity(0)))
    assert "1 run at a time: 1 processor by the affinity mask (--jobs)\n" in said(tmp_path, "taskset", "-c", one)


@pytest.mark.slow
def test_the_command_keeps_to_what_its_job_was_given(tmp_path: Path) -> None:
    variables = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1"}
    assert "1 run at a time: 1 processor by SLURM_CPUS_PER_TASK (--jobs)\n" in said(tmp_path, **variables)


def remove_when_free(folder: Path, until: float) -> None:
    """Remove a control group that is empty; the kernel may hold it busy for a moment more."""
    while True:
        try:
            return folder.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@pytest.fixture
def group() -> Iterator[Path]:
    """A real control group of 1 GB of memory, which a process enters by writing itself into its list."""
    for root, limit, members in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "tasks"),
        ("/sys/fs/cgroup", "memory.max", "cgroup.procs"),
    ):
        folder = Path(root) / f"noisy-label-bench-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / limit).write_text("1000000000")
        except OSError:
            if folder.is_dir():
                folder.rmdir()
            continue
        yield folder / members
        until = time.monotonic() + 30
        while (folder / members).read_text().strip() and time.monotonic() < until:
            time.sleep(0.1)  # the command's helpers leave the group a moment after it
        remove_when_free(folder, until)
        return
    pytest.skip("no control group for memory can be made here (it needs root)")


@pytest.mark.slow
def test_the_command_keeps_to_the_memory_of_its_control_group(group: Path, tmp_path: Path) -> None:
    eight = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8"}
    inside = ("sh", "-c", f'echo $$ > {group}; exec "$0" "$@"')
    assert "1 run at a time: 0.9 GiB of memory by the control group's limit" in said(tmp_path, *inside, **eight)
