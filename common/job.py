"""The job of a job system (SLURM, PBS, LSF, Grid Engine) in which this process runs, as its variables tell."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """name: such as "slurm 12_3", task 3 of the array 12. end: when the system ends it, seconds since 1970, if told."""

    name: str
    end: float | None = None


_VARIABLES = (("pbs", "PBS_JOBID", "PBS_ARRAY_INDEX"), ("lsf", "LSB_JOBID", "LSB_JOBINDEX"))


def current() -> Job | None:
    """The job, or None. Its end is what `SLURM_JOB_END_TIME` says (sbatch(1)); the others do not tell it."""
    told = os.environ
    if "SLURM_JOB_ID" in told:
        number = told["SLURM_JOB_ID"]
        if "SLURM_ARRAY_JOB_ID" in told:
            number = f"{told['SLURM_ARRAY_JOB_ID']}_{told.get('SLURM_ARRAY_TASK_ID', '?')}"
        end = told.get("SLURM_JOB_END_TIME", "")
        return Job(f"slurm {number}"[:40], float(end) if end.isascii() and end.isdigit() else None)
    for system, variable, task in _VARIABLES:
        if variable in told:
            part = f"_{told[task]}" if told.get(task, "0") != "0" else ""
            return Job(f"{system} {told[variable]}{part}"[:40])
    if "SGE_TASK_ID" in told and "JOB_ID" in told:
        part = "" if told["SGE_TASK_ID"] == "undefined" else f"_{told['SGE_TASK_ID']}"
        return Job(f"sge {told['JOB_ID']}{part}"[:40])
    return None


def name() -> str:
    """The name of the job; empty where there is none."""
    job = current()
    return "" if job is None else job.name
