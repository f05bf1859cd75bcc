"""A SLURM of one node for a test: munged, slurmctld and slurmd as Debian has them, on loopback, stopped at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from command_line import wait_for
from dask_cluster import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "runuser")
_CONFIGURATION = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,requeue_delay=1
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=60
KillWait=10
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def absent() -> str:
    """Why there can be no SLURM here; empty where there can."""
    if os.geteuid() != 0:
        return "a SLURM of one node needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed (slurm-wlm, munge): {', '.join(missing)}" if missing else ""


@contextlib.contextmanager
def node() -> Iterator[dict[str, str]]:
    """The variables by which commands find the SLURM, which is idle; no job is left of it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    try:
        for part in ("munge", "state", "spool"):
            (folder / part).mkdir()
        folder.chmod(0o755)
        (folder / "munge" / "key").write_bytes(os.urandom(128))
        (folder / "munge" / "key").chmod(0o400)
        subprocess.run(["chown", "-R", "munge:", folder / "munge"], check=True)
        text = _CONFIGURATION.format(
            folder=folder, host=socket.gethostname().split(".")[0], ports=(free_port(), free_port())
        )
        (folder / "slurm.conf").write_text(text)
        variables = {"SLURM_CONF": str(folder / "slurm.conf")}
        with _daemons(folder, {**os.environ, **variables}):
            yield variables
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _daemons(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    munge = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{name}={folder}/munge/{file}" for name, file in munge.items()]
    pids = [folder / "slurmd.pid", folder / "slurmctld.pid", folder / "munge" / "pid"]
    try:
        subprocess.run(["runuser", "-u", "munge", "--", "munged", *options], check=True)
        for daemon in ("slurmctld", "slurmd"):
            subprocess.run([daemon], check=True, env=environment)
        wait_for(lambda: _said(environment, "sinfo", "-h", "-o", "%T") == "idle")
        yield
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(["scancel", "-u", "root"], env=environment, check=False, timeout=20)
            wait_for(lambda: not _said(environment, "squeue", "-h"), seconds=30)
        for path in pids:
            if path.is_file() and path.read_text().strip():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(path.read_text()), 15)
        wait_for(lambda: not any(path.exists() for path in pids), seconds=30)


def _said(environment: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True).stdout.strip()
