"""What this process was given of its machine: processors and memory. Containers, job systems and `taskset` give less
than the machine has.

Each source that tells is asked, and the smallest answer counts:

- Linux's affinity mask (`taskset`, cpusets), and the control group's quota and memory limit, of version 1 and 2, its
  own and those of the groups around it (https://docs.kernel.org/admin-guide/cgroup-v2.html);
- inside a job, the variables of its system: SLURM's (sbatch(1), "OUTPUT ENVIRONMENT VARIABLES"), PBS's (NCPUS; Torque's
  PBS_NUM_PPN), LSF's (LSB_DJOB_NUMPROC) and Grid Engine's (NSLOTS). Not every site binds jobs to what they asked for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
_UNLIMITED = 2**60  # version 1 writes no limit as a number near 2**63

_PROCESSORS = (
    ("", ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")),  # which nobody else sets
    ("PBS_JOBID", ("NCPUS", "PBS_NUM_PPN")),
    ("LSB_JOBID", ("LSB_DJOB_NUMPROC",)),
    ("SGE_TASK_ID", ("NSLOTS",)),
)
"""What says that this is a job, if names do not, and the variables that tell its processors: the first that is set."""


@dataclass(frozen=True)
class Part:
    """How much (processors, or bytes of memory), and who says so, such as "affinity mask"."""

    amount: int
    source: str


def processors() -> Part:
    """The processors that this process may use, at least 1."""
    return min(_processors(os.environ), key=lambda part: part.amount)


def memory() -> Part | None:
    """Bytes of memory that this process and what it starts may take together; None where nobody tells."""
    return min(_memory(os.environ, processors().amount), key=lambda part: part.amount, default=None)


def _processors(environment: Mapping[str, str]) -> Iterator[Part]:
    """What each source says; of equal ones the first is named."""
    yield Part(os.cpu_count() or 1, "the machine")
    if hasattr(os, "sched_getaffinity"):
        yield Part(max(len(os.sched_getaffinity(0)), 1), "the affinity mask")
    for folder in _groups("cpu"):
        quota, period = _quota(folder)
        if quota > 0 and period > 0:
            yield Part(max(quota // period, 1), "the control group's quota")
    for job, names in _PROCESSORS:
        told = [(name, _number(environment.get(name))) for name in names if not job or job in environment]
        for name, number in [pair for pair in told if pair[1]][:1]:
            yield Part(number, name)


def _memory(environment: Mapping[str, str], count: int) -> Iterator[Part]:
    with contextlib.suppress(ValueError, OSError, AttributeError):  # of systems that do not tell
        yield Part(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "the machine")
    for folder in _groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            if 0 < (limit := _number(_text(folder / name))) < _UNLIMITED:
                yield Part(limit, "the control group's limit")
    if "SLURM_JOB_ID" in environment:  # in MiB
        for name, times in (("SLURM_MEM_PER_NODE", 1), ("SLURM_MEM_PER_CPU", count)):
            if number := _number(environment.get(name)):
                yield Part(number * times * 2**20, name)


def _number(text: str | None) -> int:
    """The whole number that the text is; 0 where it is none, as "max" or what is not set."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _quota(folder: Path) -> tuple[int, int]:
    """Microseconds of processor time in each period, and the period; 0 where there is no limit."""
    both = _text(folder / "cpu.max").split()  # version 2: "200000 100000", or "max 100000"
    if len(both) == 2:
        return _number(both[0]), _number(both[1])
    return _number(_text(folder / "cpu.cfs_quota_us")), _number(_text(folder / "cpu.cfs_period_us"))


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of those around it, which limit it too.

    A container may see its group as the root, or under the name that it has outside, which is not there.
    """
    for line in _text(OWN_GROUPS).splitlines():
        number, _, rest = line.partition(":")
        names, _, place = rest.partition(":")
        if number == "0":
            roots = [GROUPS, GROUPS / "unified"]
        elif controller in names.split(","):
            roots = [GROUPS / controller, GROUPS / names]
        else:
            continue
        inside = Path(place.lstrip("/"))
        yield from (root / part for root in dict.fromkeys(roots) for part in (inside, *inside.parents))
