"""What this process was given of its machine, by each source that tells."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from common import allotment
from common.allotment import Part

Given = Callable[..., None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Given:
    """A machine of 64 processors and 256 GiB, with these variables, affinity and files of control groups."""

    def make(own: str = "", affinity: int = 64, files: dict[str, str] | None = None, **variables: str) -> None:
        for _, names in allotment._PROCESSORS:
            for name in names:
                monkeypatch.delenv(name, raising=False)
        for name in (
            "SLURM_JOB_ID",
            "PBS_JOBID",
            "LSB_JOBID",
            "SGE_TASK_ID",
            "SLURM_MEM_PER_NODE",
            "SLURM_MEM_PER_CPU",
        ):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        (tmp_path / "own").write_text(own)
        monkeypatch.setattr(allotment, "GROUPS", tmp_path)
        monkeypatch.setattr(allotment, "OWN_GROUPS", tmp_path / "own")
        monkeypatch.setattr(os, "cpu_count", lambda: 64)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(affinity)), raising=False)
        monkeypatch.setattr(os, "sysconf", lambda name: 2**26 if name == "SC_PHYS_PAGES" else 4096)

    return make


def test_the_whole_machine_where_nobody_gave_less(given: Given) -> None:
    given()
    assert allotment.processors() == Part(64, "the machine")
    assert allotment.memory() == Part(2**38, "the machine")


def test_the_affinity_mask(given: Given) -> None:
    given(affinity=3)
    assert allotment.processors() == Part(3, "the affinity mask")


@pytest.mark.parametrize(
    ("own", "files", "processors", "memory"),
    [
        ("0::/job/step\n", {"job/step/cpu.max": "250000 100000\n", "job/memory.max": "2147483648\n"}, 2, 2**31),
        ("0::/job/step\n", {"job/step/cpu.max": "max 100000\n", "job/cpu.max": "50000 100000\n"}, 1, 2**38),
        ("0::/outside/name\n", {"cpu.max": "400000 100000\n", "memory.max": "max\n"}, 4, 2**38),
        (
            "4:memory:/a/b\n3:cpu,cpuacct:/a\n0::/\n",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "800000\n",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                "memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/a/memory.limit_in_bytes": "1073741824\n",
            },
            8,
            2**30,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64, 2**38),
    ],
    ids=["version 2", "a group around it", "seen from inside", "version 1", "no limit"],
)
def test_control_groups(given: Given, own: str, files: dict[str, str], processors: int, memory: int) -> None:
    given(own=own, files=files)
    assert allotment.processors().amount == processors
    assert allotment.processors().source == ("the machine" if processors == 64 else "the control group's quota")
    told = allotment.memory()
    assert told is not None and told.amount == memory
    assert told.source == ("the machine" if memory == 2**38 else "the control group's limit")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "8"}, Part(1, "SLURM_CPUS_PER_TASK")),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "8"}, Part(8, "SLURM_CPUS_ON_NODE")),
        ({"SLURM_CPUS_PER_TASK": "1"}, Part(1, "SLURM_CPUS_PER_TASK")),
        ({"NCPUS": "4", "NSLOTS": "2"}, Part(64, "the machine")),  # of a shell that is no job: others set such names
        ({"PBS_JOBID": "7.head", "NCPUS": "4"}, Part(4, "NCPUS")),
        ({"PBS_JOBID": "7.head", "PBS_NUM_PPN": "5"}, Part(5, "PBS_NUM_PPN")),
        ({"LSB_JOBID": "7", "LSB_DJOB_NUMPROC": "6"}, Part(6, "LSB_DJOB_NUMPROC")),
        ({"SGE_TASK_ID": "undefined", "NSLOTS": "2"}, Part(2, "NSLOTS")),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "many"}, Part(64, "the machine")),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "0"}, Part(64, "the machine")),
    ],
)
def test_variables_of_job_systems(given: Given, variables: dict[str, str], expected: Part) -> None:
    given(**variables)
    assert allotment.processors() == expected


def test_memory_of_a_slurm_job(given: Given) -> None:
    given(SLURM_JOB_ID="7", SLURM_MEM_PER_NODE="4000")
    assert allotment.memory() == Part(4000 * 2**20, "SLURM_MEM_PER_NODE")
    given(SLURM_JOB_ID="7", SLURM_MEM_PER_CPU="500", SLURM_CPUS_PER_TASK="3")
    assert allotment.memory() == Part(1500 * 2**20, "SLURM_MEM_PER_CPU")


def test_the_least_of_all_counts(given: Given) -> None:
    given(affinity=5, own="0::/\n", files={"cpu.max": "200000 100000"}, SLURM_JOB_ID="7", SLURM_CPUS_ON_NODE="3")
    assert allotment.processors() == Part(2, "the control group's quota")
