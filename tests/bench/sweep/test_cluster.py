"""Runs on a real Dask cluster: a scheduler and workers as processes of their own, killed as a cluster kills them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, HOME, finish, kill_all, results, resumes, run, start, wait_for, write_suite
from dask_cluster import Make, clusters, free_port
from small_runs import specification

from bench.planning.spec import Cell
from bench.sweep import cluster_runs, lease
from bench.sweep.cluster_runs import Landing
from bench.sweep.run_queue import Queue
from bench.sweep.worker import Outcome
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
        expected = {
            "no worker": "no worker came in 0:00:01",
            "two threads": "has 2 threads",
            "not shared": "is not shared",
        }[case]
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
    waits = ("--cluster-wait", 1) if case == "no worker" else ()
    status, output = run("run", "s.toml", "--out", "out", "--cluster", address, *waits, cwd=tmp_path)
    assert status == 2
    lines = output.strip().splitlines()
    if case == "no worker":
        assert lines.pop(0) == "no worker yet: waiting up to 0:00:01 for the first one (--cluster-wait)"
    assert len(lines) == 1 and expected in lines[0]
    assert not Store(tmp_path / "out").addresses()


@pytest.mark.parametrize("address", ["slurm", "head:8786", "http://head:8786", "tcp://head", "tcp://:1 2"])
def test_what_is_no_address_is_refused_before_anything_is_read(refused: Callable[..., str], address: str) -> None:
    said = refused("run", "no-such-suite.toml", "--cluster", address)
    assert said == f"error: --cluster {address!r}: accepted: tcp://HOST:PORT, tls://HOST:PORT, slurm:FILE.toml\n"


def test_a_cluster_without_a_worker_is_waited_for_and_loses_all_in_between(tmp_path: Path, make_cluster: Make) -> None:
    cluster = make_cluster(workers=0)
    write_suite(tmp_path / "s.toml", epochs=60)
    arguments = ("run", "s.toml", "--out", "out", "--cluster", cluster.address, "--checkpoint-seconds", 0)
    with (tmp_path / "log").open("w") as log:
        driver = start(*arguments, cwd=tmp_path, stdout=log)
        wait_for(lambda: "no worker yet" in (tmp_path / "log").read_text())
        lost = cluster.worker()
        wait_for(lambda: running(tmp_path / "out"))
        os.killpg(lost.pid, signal.SIGKILL)
        wait_for(lambda: "0 workers: waiting for new ones" in (tmp_path / "log").read_text())
        cluster.worker()
        assert finish(driver)[0] == 0, (tmp_path / "log").read_text()
    assert "1 workers again" in (tmp_path / "log").read_text()
    assert resumes(tmp_path / "out") == 1


def test_a_worker_that_is_lost_with_its_answer_costs_a_look_into_the_store(
    tmp_path: Path, make_cluster: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client, wait

    cluster = make_cluster(workers=1)
    one = Cell("cross_entropy", "cross_entropy", "symmetric 50%", specification("cross_entropy"))
    queue = Queue(tmp_path / "out", [one], lambda settled, outcome: None)
    assert queue.take_ready() == (one, "")
    monkeypatch.setattr(cluster_runs, "_ANSWER_SECONDS", 0.5, raising=False)
    with Client(cluster.address, set_as_default=False) as client:
        future = client.submit(Outcome, "done")
        with client.as_current():
            wait([future], timeout=30)
        os.kill(cluster.processes[-1].pid, signal.SIGSTOP)
        settling = threading.Thread(target=cluster_runs._settle, args=(queue, Landing(queue), one, future), daemon=True)
        settling.start()
        settling.join(20)
        hangs = settling.is_alive()
        os.kill(cluster.processes[-1].pid, signal.SIGCONT)
        settling.join(20)
    assert not hangs and queue.take_ready() == (one, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["control c", "SIGTERM"])
def test_a_stopped_driver_leaves_no_run_going_on(tmp_path: Path, make_cluster: Make, number: signal.Signals) -> None:
    cluster = make_cluster(workers=1)
    write_suite(tmp_path / "s.toml", epochs=600)
    driver = start("run", "s.toml", "--out", "out", "--cluster", cluster.address, cwd=tmp_path)
    wait_for(lambda: running(tmp_path / "out"))
    driver.send_signal(number)
    status, output = finish(driver, timeout=60)
    assert (status, output.count("stopped by")) == (128 + number, 1), output
    assert len(output.splitlines()) == 2, output
    assert not any((tmp_path / "out" / "leases").iterdir())
    assert len(list((tmp_path / "out" / "checkpoints").glob("*.pt"))) == 1  # written when it was stopped


def test_a_scheduler_that_is_gone_is_one_line(tmp_path: Path, make_cluster: Make) -> None:
    cluster = make_cluster(workers=1)
    write_suite(tmp_path / "s.toml", epochs=2000)
    driver = start("run", "s.toml", "--out", "out", "--cluster", cluster.address, cwd=tmp_path)
    wait_for(lambda: running(tmp_path / "out"))
    os.killpg(cluster.processes[0].pid, signal.SIGKILL)
    status, output = finish(driver, timeout=120)
    assert status == 1
    assert output.splitlines()[1:] == [
        f"--cluster {cluster.address}: the scheduler is gone; what is done is kept: the same command goes on from there"
    ]


def changes_of_checkpoint(store: Path) -> Callable[[], bool]:
    """Tells whether the store's one checkpoint was written again since this was called."""

    def written() -> int:
        with contextlib.suppress(OSError, StopIteration):
            return next((store / "checkpoints").glob("*.pt")).stat().st_mtime_ns
        return 0

    before = written()
    return lambda: written() not in (0, before)


def test_a_run_whose_worker_is_lost_again_and_again_goes_on_where_it_got_further(
    tmp_path: Path, make_cluster: Make
) -> None:
    cluster = make_cluster(workers=0, allowed_failures=0)  # one loss, and the scheduler gives the run up
    write_suite(tmp_path / "s.toml", epochs=60)
    cluster.worker()
    arguments = ("run", "s.toml", "--out", "out", "--cluster", cluster.address, "--checkpoint-seconds", 0)
    driver = start(*arguments, cwd=tmp_path)
    killed: set[int] = set()
    for _ in range(2):
        [victim] = wait_for(lambda: [holder for holder in running(tmp_path / "out") if holder.pid not in killed])
        wait_for(changes_of_checkpoint(tmp_path / "out"))  # else it may die before it got further than the last one
        os.kill(victim.pid, signal.SIGKILL)
        killed.add(victim.pid)
        cluster.worker()
    status, output = finish(driver)
    assert status == 0, output
    assert resumes(tmp_path / "out") == 2


def test_a_worker_that_is_told_to_end_stops_its_run_in_order(tmp_path: Path, make_cluster: Make) -> None:
    cluster = make_cluster(workers=0)
    worker = cluster.worker()
    write_suite(tmp_path / "s.toml", epochs=600)
    driver = start("run", "s.toml", "--out", "out", "--cluster", cluster.address, cwd=tmp_path)
    wait_for(lambda: running(tmp_path / "out"))
    worker.send_signal(signal.SIGTERM)
    try:
        wait_for(lambda: list((tmp_path / "out" / "checkpoints").glob("*.pt")), seconds=10)
        wait_for(lambda: not any((tmp_path / "out" / "leases").iterdir()), seconds=10)
    finally:
        kill_all(driver)


def certificates(folder: Path) -> dict[str, str]:
    """A key with its own certificate, as Dask's configuration names them in the environment."""
    names = ("-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem", "-days", "1")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    found = {"CA_FILE": "certificate.pem"}
    for who in ("SCHEDULER", "WORKER", "CLIENT"):
        found |= {f"{who}__CERT": "certificate.pem", f"{who}__KEY": "key.pem"}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in found.items()}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_cluster_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(tmp_path / "s.toml", epochs=2)
    status, output = run("run", "s.toml", "--cluster", "tls://127.0.0.1:9", cwd=tmp_path)
    assert status == 2
    assert "lacks distributed.comm.tls.ca-file, distributed.comm.tls.client.cert" in output
    for name, value in certificates(tmp_path).items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
        monkeypatch.setenv(name, value)
    with clusters(tmp_path, scheme="tls") as make:
        cluster = make(workers=0)
        cluster.worker()
        status, output = run("run", "s.toml", "--out", "out", "--cluster", cluster.address, cwd=tmp_path)
    assert status == 0, output
    assert len(results(tmp_path / "out")) == 1
