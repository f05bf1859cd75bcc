"""Suites on a real SLURM of one node: one command, lost jobs, time limits, arrays; records as those of a local run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm_node
from command_line import ENVIRONMENT, HOME, finish, results, resumes, start, wait_for, write_suite

from bench.sweep import lease
from results.store import Store

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(bool(slurm_node.absent()), reason=slurm_node.absent()),
]
EPOCHS = 30


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    with slurm_node.node() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
            patch.setitem(ENVIRONMENT, name, value)
        yield variables


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the suite gives where it is executed here, undisturbed."""
    folder = tmp_path_factory.mktemp("local")
    suite(folder)
    status, output = finish(start("run", "s.toml", "--out", "out", cwd=folder))
    assert status == 0, output
    return results(folder / "out")


def suite(folder: Path) -> None:
    write_suite(folder / "s.toml", epochs=EPOCHS, seeds=2)


def jobs_file(folder: Path, limit: str = "00:05:00", jobs: int = 2) -> None:
    (folder / "jobs.toml").write_text(
        f'jobs = {jobs}\nmemory = "2GB"\ntime = "{limit}"\nlisten = "127.0.0.1"\nsetup = ["export OMP_NUM_THREADS=1"]\n'
    )


def queued() -> list[str]:
    """The jobs that SLURM knows and that are not over."""
    told = subprocess.run(["squeue", "-h", "-o", "%i"], check=True, capture_output=True, text=True)
    return told.stdout.split()


def running(store: Path, at_epoch: int = 2) -> list[lease.Holder]:
    found = lease.live(store / "leases", lease.Observer()).values()
    return [holder for holder in found if holder.epoch >= at_epoch]


def nothing_is_left(folder: Path) -> None:
    wait_for(lambda: not queued(), seconds=30)
    assert not list((folder / "out" / "leases").glob("*"))
    assert not list((folder / "out" / "checkpoints").glob("*"))


def test_one_command_that_outlives_a_cancelled_worker(
    slurm: dict[str, str], tmp_path: Path, whole: dict[str, str]
) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra [jobqueue] is not installed")
    suite(tmp_path)
    jobs_file(tmp_path)
    arguments = ("run", "s.toml", "--out", "out", "--cluster", "slurm:jobs.toml", "--checkpoint-seconds", 0)
    driver = start(*arguments, cwd=tmp_path)
    [victim, *_] = wait_for(lambda: running(tmp_path / "out"), seconds=120)
    assert victim.job.startswith("slurm ")
    subprocess.run(["scancel", victim.job.removeprefix("slurm ")], check=True)
    status, output = finish(driver, timeout=180)
    assert status == 0, output
    assert results(tmp_path / "out") == whole
    assert resumes(tmp_path / "out") >= 1
    known = Store(tmp_path / "out")
    assert all(known.load(address)["execution"]["job"].startswith("slurm ") for address in known.addresses())
    nothing_is_left(tmp_path)


def test_a_stopped_command_cancels_its_jobs(slurm: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra [jobqueue] is not installed")
    write_suite(tmp_path / "s.toml", epochs=2000)
    jobs_file(tmp_path, jobs=1)
    driver = start("run", "s.toml", "--out", "out", "--cluster", "slurm:jobs.toml", cwd=tmp_path)
    wait_for(lambda: running(tmp_path / "out"), seconds=120)
    driver.terminate()
    status, output = finish(driver, timeout=60)
    assert (status, output.count("stopped by SIGTERM")) == (143, 1), output
    assert "Traceback" not in output
    wait_for(lambda: not queued(), seconds=30)
    assert not list((tmp_path / "out" / "leases").glob("*"))
    assert list((tmp_path / "out" / "checkpoints").glob("*.pt"))


def test_jobs_that_slurm_does_not_take_are_told_in_one_line(slurm: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra [jobqueue] is not installed")
    suite(tmp_path)
    jobs_file(tmp_path)
    with (tmp_path / "jobs.toml").open("a") as file:
        file.write('partition = "absent"\n')
    status, output = finish(
        start("run", "s.toml", "--out", "out", "--cluster", "slurm:jobs.toml", cwd=tmp_path), timeout=90
    )
    assert status == 2 and "Traceback" not in output, output
    assert "--cluster: no job is taken: " in output and "invalid partition specified: absent" in output
    assert not list((tmp_path / "out" / "leases").glob("*"))


def array(folder: Path, *options: str) -> None:
    """Submit the suite as `slurm-script` writes it."""
    command = [sys.executable, str(HOME / "run_benchmark.py"), "slurm-script", "s.toml", "--jobs-file", "jobs.toml"]
    told = subprocess.run(
        [*command, "--out", "out", *options], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    (folder / "job.sh").write_text(told.stdout)
    subprocess.run(["sbatch", "job.sh"], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)


def logs(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in sorted((folder / "out" / "jobs").glob("*.log"))}


def test_an_array_executes_each_run_once_and_its_jobs_do_not_wait(
    slurm: dict[str, str], tmp_path: Path, whole: dict[str, str]
) -> None:
    suite(tmp_path)
    jobs_file(tmp_path)
    array(tmp_path)
    wait_for(lambda: len(results(tmp_path / "out")) == 2 and not queued(), seconds=120)
    assert results(tmp_path / "out") == whole
    told = logs(tmp_path)
    assert len(told) == 2
    done = [line for text in told.values() for line in text.splitlines() if "test accuracy" in line]
    assert len([line for line in done if "executed elsewhere" not in line]) == 2  # though both may have begun at one
    nothing_is_left(tmp_path)


def test_a_job_at_its_time_limit_is_queued_again_and_goes_on(slurm: dict[str, str], tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=100_000)
    jobs_file(tmp_path, limit="00:01:00", jobs=1)
    array(tmp_path)
    # SLURM tells a job of its end to the minute or so; what matters is that it is told, and starts again
    wait_for(lambda: any("stopped by SIGUSR1" in text for text in logs(tmp_path).values()), seconds=150)
    [checkpoint] = (tmp_path / "out" / "checkpoints").glob("*.pt")
    written = checkpoint.stat().st_mtime_ns
    try:
        wait_for(lambda: running(tmp_path / "out", at_epoch=1), seconds=240)  # SLURM holds it for 2 minutes
        wait_for(lambda: checkpoint.stat().st_mtime_ns > written, seconds=60)  # it went on from there
    finally:  # again and again: a job that is just queued again is known under the same number
        wait_for(lambda: subprocess.run(["scancel", "-u", "root"], check=True) and not queued(), seconds=60)
    time.sleep(1)
    assert not list((tmp_path / "out" / "leases").glob("*"))
