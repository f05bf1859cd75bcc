"""Runs on a real Dask cluster: a scheduler and workers as processes of their own, killed as a cluster kills them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, HOME, finish, results, resumes, run, start, wait_for, write_suite
from dask_cluster import Make, clusters, free_port

from bench.sweep import lease
from results.store import Store

pytest.importorskip("distributed", reason="the extra [cluster] is not installed")


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Make]:
    with clusters(tmp_path) as make:
        yield make


def running(store: Path, at_epoch: int = 2) -> list[lease.Holder]:
    found = lease.live(store / "leases", lease.Observer()).values()
    return [holder for holder in found if holder.epoch >= at_epoch]


def test_a_worker_killed_in_mid_run_costs_nothing(tmp_path: Path, make_cluster: Make) -> None:
    cluster = make_cluster(workers=2)
    write_suite(tmp_path / "s.toml", epochs=30, seeds=2)
    arguments = ("run", "s.toml", "--checkpoint-seconds", 0)
    driver = start(*arguments, "--out", "out", "--cluster", cluster.address, cwd=tmp_path)
    victim = wait_for(lambda: running(tmp_path / "out"))[0]
    os.kill(victim.pid, signal.SIGKILL)
    status, output = finish(driver)
    assert status == 0, output
    assert resumes(tmp_path / "out") >= 1
    assert run(*arguments, "--out", "whole", "--jobs", 1, cwd=tmp_path)[0] == 0
    assert results(tmp_path / "out") == results(tmp_path / "whole")


def test_a_run_that_the_scheduler_gives_up_on_fails_and_the_others_finish(tmp_path: Path, make_cluster: Make) -> None:
    cluster = make_cluster(workers=2, allowed_failures=0)
    (tmp_path / "suicidal.py").write_text(
        "import os, signal\n"
        "from methods.base import Method\n"
        "class Suicidal(Method):\n"
        "    name = 'suicidal'\n    title = 'Suicidal'\n    year = 2026\n    reference = 'a test'\n"
        "    def loss(self, batch):\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    write_suite(tmp_path / "s.toml", epochs=2, methods=("suicidal", "cross_entropy"))
    status, output = run(
        "run", "s.toml", "--plugin", "suicidal.py", "--out", "out", "--cluster", cluster.address, cwd=tmp_path
    )
    assert status == 1
    assert "KilledWorker" in output
    store = Store(tmp_path / "out")
    assert len(store.addresses()) == len(store.failures()) == 1


def test_a_single_worker_and_a_driver_killed_alone(tmp_path: Path, make_cluster: Make) -> None:
    cluster = make_cluster(workers=1)
    write_suite(tmp_path / "s.toml", epochs=150, seeds=2)
    arguments = ("run", "s.toml", "--out", "out", "--cluster", cluster.address)
    driver = start(*arguments, cwd=tmp_path)
    wait_for(lambda: running(tmp_path / "out"))
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    status, output = run(*arguments, cwd=tmp_path)
    assert status == 0, output
    assert len(results(tmp_path / "out")) == 2
    assert resumes(tmp_path / "out") == 0  # the worker went on with the run it had; nothing was executed twice


@pytest.mark.slow
def test_the_log_tells_of_the_runs_of_a_cluster(tmp_path: Path, make_cluster: Make) -> None:
    cluster = make_cluster(workers=1)
    write_suite(tmp_path / "s.toml", epochs=150)
    status, output = run(
        "run", "s.toml", "--out", "out", "--cluster", cluster.address, "--log-every", 0.5, cwd=tmp_path
    )
    assert status == 0, output
    assert re.search(r"^  Cross-entropy, symmetric 50%, seed 0: epoch \d+/150, [\d,]+ images/s, about", output, re.M)
    assert re.search(r"^after \d:\d\d:\d\d: 0 of 1 done, 0 failed, 1 running, about", output, re.M)


@pytest.mark.parametrize("case", ["no scheduler", "no worker", "two threads", "not shared"])
def test_an_unusable_cluster_is_refused_in_one_line(tmp_path: Path, make_cluster: Make, case: str) -> None:
    write_suite(tmp_path / "s.toml", epochs=1)
    if case == "no scheduler":
        address, expected = f"tcp://127.0.0.1:{free_port()}", "no scheduler answers"
    else:
        cluster = make_cluster(workers=0)
        address = cluster.address
        expected = {"no worker": "has no worker", "two threads": "has 2 threads", "not shared": "is not shared"}[case]
        if case == "two threads":
            cluster.worker(threads=2)
        if case == "not shared":
            if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
                pytest.skip("a mount namespace can't be made here (needs root)")
            hide = f"mount -t tmpfs tmpfs {tmp_path} && exec {sys.executable} -m distributed.cli.dask_worker"
            command = f"{hide} {address} --nthreads 1 --no-nanny --no-dashboard --local-directory /tmp"
            cluster.processes.append(
                subprocess.Popen(["unshare", "-m", "sh", "-c", command], cwd=HOME, env=ENVIRONMENT,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            )  # fmt: skip
        if case != "no worker":
            cluster.wait_for_workers(1)
    status, output = run("run", "s.toml", "--out", "out", "--cluster", address, cwd=tmp_path)
    assert status == 2
    assert expected in output
    assert len(output.strip().splitlines()) == 1
    assert not Store(tmp_path / "out").addresses()
