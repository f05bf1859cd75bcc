"""A Dask cluster whose workers are jobs, by dask-jobqueue: it submits them, replaces lost ones and cancels them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.jobs.job_file import JobFile, seconds_of
from common.errors import UserError

HOME = Path(__file__).resolve().parents[2]
_ENDS_BEFORE = 120  # seconds before its time limit that a worker ends by itself, with its run stopped in order
_LOOK = "2s"  # how often lost jobs are looked for


def _modules() -> Any:
    """dask-jobqueue. Raises UserError where it is not installed."""
    try:
        import dask_jobqueue
    except ImportError:
        raise UserError(
            '--cluster with a job system needs the extra: pip install -c constraints.txt -e ".[jobqueue]"'
        ) from None
    return dask_jobqueue


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except (OSError, ValueError):
        return False


def _options(system: str, asked: JobFile, logs: Path) -> dict[str, Any]:
    """The arguments of dask-jobqueue's classes for a job."""
    assert asked.time is not None  # or else the file was refused
    limit = seconds_of(asked.time)
    lifetime = max(limit - _ENDS_BEFORE, limit // 2)
    account = "account" if system in ("slurm", "pbs") else "project"
    gres = [f"--gres={asked.gres}"] if asked.gres else []
    return {
        "queue": asked.partition,
        account: asked.account,
        "cores": asked.runs,
        "processes": asked.runs,  # a run needs a process of its own
        "memory": asked.memory,
        "walltime": asked.time if system != "lsf" else asked.time[:-3],
        "job_extra_directives": [*gres, *asked.directives],
        "job_script_prologue": [f'export PYTHONPATH="{HOME}${{PYTHONPATH:+:$PYTHONPATH}}"', *asked.setup],
        "worker_extra_args": ["--lifetime", f"{lifetime}s", "--no-dashboard"],
        "log_directory": str(logs),
        "job_name": "noisy-label-bench",
    }


def _check_logs(system: str, logs: Path) -> None:
    """Raises UserError for a folder that dask-jobqueue writes into scripts as it is, where no job can be submitted."""
    if any(letter.isspace() for letter in str(logs)):
        raise UserError(f"--cluster {system}: --out {logs.parent}: has a blank in its name, which its jobs cannot have")


def script(system: str, asked: JobFile, logs: Path) -> str:
    """The script of a job, with a scheduler's address in general words; nothing is submitted. Raises UserError."""
    _check_logs(system, logs)
    modules = _modules()
    cluster_class = getattr(modules, f"{system.upper()}Cluster")
    with _quiet(), tempfile.TemporaryDirectory() as elsewhere:  # it makes the folder of the logs
        options = _options(system, asked, Path(elsewhere))
        job = cluster_class.job_cls("tls://THIS-MACHINE:PORT", name="NAME", **options)
        text: str = job.job_script()
    return text.replace(elsewhere, str(logs))


@contextlib.contextmanager
def opened(system: str, asked: JobFile, jobs: int, logs: Path) -> Iterator[Any]:
    """A cluster of `jobs` jobs, which are cancelled after the block. Raises UserError.

    Its `refused()` says why none of them was taken by the job system; empty where one was, or may yet be.
    """
    _check_logs(system, logs)
    modules, options = _modules(), _options(system, asked, logs)
    host = asked.listen or socket.gethostname()
    logs.mkdir(parents=True, exist_ok=True)
    cluster_class = getattr(modules, f"{system.upper()}Cluster")
    job_class, refusals = _telling(cluster_class.job_cls)
    with _quiet():
        try:
            cluster = cluster_class(
                job_cls=job_class,
                scheduler_options={"host": host, "dashboard": False, "dashboard_address": ":0"},
                security=None if _is_loopback(host) else True,
                shared_temp_directory=str(logs),
                **options,
            )
        except (OSError, ValueError, RuntimeError, ImportError) as fault:
            raise UserError(f"--cluster {system}: {str(fault).splitlines()[0]}") from None
        try:
            cluster.refused = lambda: refusals[-1] if len(refusals) >= jobs else ""
            cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs, interval=_LOOK)
            yield cluster
        finally:
            with contextlib.suppress(*([RuntimeError, AssertionError] if refusals else [])):  # it misses them
                cluster.close()


def _telling(job_class: Any) -> tuple[Any, list[str]]:
    """A class of jobs, and what its job system said of each that it did not take (dask-jobqueue only logs it)."""
    refusals: list[str] = []

    class Job(job_class):  # type: ignore[misc]
        async def _submit_job(self, script_filename: str) -> Any:
            try:
                return await super()._submit_job(script_filename)
            except (RuntimeError, OSError) as fault:
                refusals.append(str(fault).partition("stderr:")[2].strip() or str(fault))
                raise

    return Job, refusals


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that are meant for who writes scripts with these packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
