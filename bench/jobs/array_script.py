"""The script of an array of SLURM jobs that share a suite through its folder, without any scheduler process."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.jobs.job_file import JobFile, seconds_of

HOME = Path(__file__).resolve().parents[2]
SIGNAL_SECONDS = 60  # before its time limit that a job is told to stop; at most a quarter of it

_BODY = """
cd {here}
{setup}
# When the job ends, where its site does not say so itself: no run is begun that could not write a checkpoint before.
end=$(squeue -h -j "$SLURM_JOB_ID" -o %e)   # nothing where SLURM does not answer, which `date` takes for this midnight
export SLURM_JOB_END_TIME=${{SLURM_JOB_END_TIME:-${{end:+$(date -d "$end" +%s 2>/dev/null)}}}}
{command} &
run=$!
trap 'kill -USR1 $run' USR1   # the time limit is near: stop in order
trap 'cancelled=1; kill -TERM $run' TERM   # scancel, also where it comes while the run stops for the time limit
wait $run; status=$?
while kill -0 $run 2>/dev/null; do wait $run; status=$?; done   # a trap ends a `wait` early
if [ $status -eq 138 ] && [ -z "${{cancelled:-}}" ]; then  # stopped by SIGUSR1, or no time for what is left
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit $status
"""


def script(asked: JobFile, suite: str, time: str, options: Sequence[str], out: Path, here: Path) -> str:
    """The text of the script.

    time: a job's limit, "HH:MM:SS". options: of `run`, beside --out. here: the folder in which the command is started.
    SLURM reads quotes in its lines as a shell does.
    """
    wanted = [
        f"--job-name=nlb-{shlex.quote(Path(suite).stem)}",
        f"--array=1-{asked.jobs}",
        "--ntasks=1",
        f"--cpus-per-task={asked.runs}",
        f"--mem={asked.memory.removesuffix('B').removesuffix('i')}",
        f"--time={time}",
        *([f"--partition={shlex.quote(asked.partition)}"] if asked.partition else []),
        *([f"--account={shlex.quote(asked.account)}"] if asked.account else []),
        *([f"--gres={shlex.quote(asked.gres)}"] if asked.gres else []),
        f"--signal=B:USR1@{min(SIGNAL_SECONDS, seconds_of(time) // 4)}",
        "--requeue",
        "--open-mode=append",  # a job that is queued again would cut its log
        f"--output={shlex.quote(f'{out}/jobs/%A_%a.log')}",
        *asked.directives,
    ]
    words = [sys.executable, str(HOME / "run_benchmark.py"), "run", suite, "--out", str(out), "--no-wait", *options]
    head = ["#!/bin/bash", *(f"#SBATCH {line}" for line in wanted)]
    body = _BODY.format(here=shlex.quote(str(here)), setup="\n".join(asked.setup), command=shlex.join(words))
    return "\n".join(head) + body
