"""Many runs on one machine: killed workers, a lost driver, two drivers at once, failures, Ctrl-C. Real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from command_line import finish, kill_all, results, resumes, run, start, wait_for, write_suite

from bench.machine.processes import process_start
from bench.sweep import lease
from results.store import Store

LONG = 400  # epochs of a run that is still going when the test acts on it


def holders(store: Path) -> dict[str, lease.Holder]:
    return lease.live(store / "leases", lease.Observer())


def running(store: Path, at_epoch: int = 2) -> list[lease.Holder]:
    return [holder for holder in holders(store).values() if holder.epoch >= at_epoch]


def children(pid: int) -> set[int]:
    """All living descendants of a process."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
    found: set[int] = set()
    grown = True
    while grown:
        more = {child for child, parent in parents.items() if parent in {pid, *found}} - found
        grown = bool(more)
        found |= more
    return found


def test_a_failing_run_stops_no_other_and_is_retried_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from methods.base import Method\n"
        "class Broken(Method):\n"
        "    name, title, year, reference = 'broken', 'Broken', 2026, 'a test'\n".replace(
            "name, title, year, reference = 'broken', 'Broken', 2026, 'a test'",
            "name = 'broken'\n    title = 'Broken'\n    year = 2026\n    reference = 'a test'",
        )
        + "    def loss(self, batch):\n        raise RuntimeError('planted fault')\n"
    )
    write_suite(tmp_path / "s.toml", epochs=2, methods=("broken", "cross_entropy"))
    arguments = ("run", "s.toml", "--out", "out", "--plugin", "broken.py", "--jobs", 1)
    status, output = run(*arguments, cwd=tmp_path)
    assert status == 1
    assert "RuntimeError: planted fault" in output
    store = Store(tmp_path / "out")
    assert len(store.addresses()) == 1
    [traceback] = store.failures().values()
    assert "planted fault" in traceback
    assert "broken.py" in traceback

    status, output = run(*arguments, cwd=tmp_path)
    assert status == 1
    assert "1 failed earlier" in output
    (tmp_path / "broken.py").write_text(
        (tmp_path / "broken.py")
        .read_text()
        .replace("raise RuntimeError('planted fault')", "return self.network(batch.views[0]).square().mean()")
    )
    status, output = run(*arguments, "--retry-failed", cwd=tmp_path)
    assert (status, len(store.addresses()), store.failures()) == (0, 2, {})

    status, output = run("status", "--out", "out", cwd=tmp_path)
    assert status == 0
    assert "s" in output


def test_a_killed_worker_costs_its_own_run_only_which_is_tried_again(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=40, seeds=2)
    driver = start("run", "s.toml", "--out", "out", "--jobs", 2, "--checkpoint-seconds", 0, cwd=tmp_path)
    store = tmp_path / "out"
    wait_for(lambda: len(running(store)) == 2)
    os.kill(running(store)[0].pid, signal.SIGKILL)
    status, output = finish(driver)
    assert status == 0, output
    known = Store(store)
    counts = [known.load(address)["execution"]["resumes"] for address in known.addresses()]
    assert sorted(counts) == [0, 1]  # the other run was not disturbed

    run("run", "s.toml", "--out", "whole", "--jobs", 2, cwd=tmp_path)
    assert results(store) == results(tmp_path / "whole")


def test_a_run_whose_worker_is_killed_every_time_fails_and_the_others_finish(tmp_path: Path) -> None:
    (tmp_path / "suicidal.py").write_text(
        "import os, signal\n"
        "from methods.base import Method\n"
        "class Suicidal(Method):\n"
        "    name = 'suicidal'\n    title = 'Suicidal'\n    year = 2026\n    reference = 'a test'\n"
        "    def loss(self, batch):\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    write_suite(tmp_path / "s.toml", epochs=2, methods=("suicidal", "cross_entropy"))
    status, output = run("run", "s.toml", "--out", "out", "--plugin", "suicidal.py", "--jobs", 1, cwd=tmp_path)
    assert status == 1
    assert "killed 3 times" in output
    store = Store(tmp_path / "out")
    assert len(store.addresses()) == len(store.failures()) == 1


def test_workers_do_not_outlive_their_driver(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=LONG, seeds=2)
    driver = start("run", "s.toml", "--out", "out", "--jobs", 2, cwd=tmp_path)
    try:
        wait_for(lambda: len(running(tmp_path / "out")) == 2)
        workers = {holder.pid for holder in running(tmp_path / "out")}
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        wait_for(lambda: all(process_start(pid) is None for pid in workers), seconds=10)
    finally:
        kill_all(driver)
    assert holders(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("number", "to_all", "told"),
    [
        (signal.SIGINT, True, "stopped by Ctrl-C;"),
        (signal.SIGTERM, True, "stopped by SIGTERM;"),
        pytest.param(signal.SIGTERM, False, "stopped by SIGTERM;", marks=pytest.mark.slow),
        (signal.SIGUSR1, False, "stopped by SIGUSR1, to be queued again;"),
    ],
    ids=["control c", "SIGTERM to all", "SIGTERM to the command", "SIGUSR1"],
)
def test_a_signal_stops_in_order_and_says_how_to_go_on(
    number: signal.Signals, to_all: bool, told: str, tmp_path: Path
) -> None:
    write_suite(tmp_path / "s.toml", epochs=LONG)
    driver = start("run", "s.toml", "--out", "out", "--jobs", 1, "--checkpoint-seconds", 1000, cwd=tmp_path)
    wait_for(lambda: running(tmp_path / "out"))
    workers = children(driver.pid)
    began = time.monotonic()
    # as a terminal and a job system do: driver and workers both get it; or as `kill` does
    (os.killpg if to_all else os.kill)(driver.pid, number)
    status, output = finish(driver, timeout=30)
    assert time.monotonic() - began < 10
    assert status == 128 + number
    [_, line] = output.splitlines()  # after what the command says at its start
    assert line == f"{told} finished runs and checkpoints are kept: the same command goes on from there"
    assert not any((tmp_path / "out" / "leases").iterdir())  # another machine need not wait
    assert len(list((tmp_path / "out" / "checkpoints").glob("*.pt"))) == 1  # written now, and not every 1000 seconds
    wait_for(lambda: not any(process_start(pid) for pid in workers), seconds=10)
    assert not list(Path("/dev/shm").glob(f"sem.loky-{driver.pid}-*"))


def test_a_run_that_does_not_listen_is_killed_and_its_lease_is_free(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import time\n"
        "from methods.base import Method\n"
        "class Deaf(Method):\n"
        "    name = 'deaf'\n    title = 'Deaf'\n    year = 2026\n    reference = 'a test'\n"
        "    def loss(self, batch):\n        time.sleep(600)\n"
    )
    write_suite(tmp_path / "s.toml", methods=("deaf",))
    driver = start("run", "s.toml", "--plugin", "deaf.py", "--out", "out", "--jobs", 1, cwd=tmp_path)
    wait_for(lambda: any(holder.advanced for holder in holders(tmp_path / "out").values()))
    workers = children(driver.pid)
    os.kill(driver.pid, signal.SIGTERM)
    status, output = finish(driver, timeout=30)
    assert (status, output.count("stopped by SIGTERM")) == (143, 1)
    assert not any((tmp_path / "out" / "leases").iterdir())
    wait_for(lambda: not any(process_start(pid) for pid in workers), seconds=10)


def test_two_drivers_on_one_folder_execute_each_run_once(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "import torch.nn.functional as F\nfrom methods.base import Method\n"
        "class Counted(Method):\n"
        "    name = 'counted'\n    title = 'Counted'\n    year = 2026\n    reference = 'a test'\n"
        "    def build(self):\n        super().build()\n"
        f"        with Path({str(tmp_path / 'log')!r}).open('a') as log: log.write(f'{{os.getpid()}}\\n')\n"
        "    def loss(self, batch):\n        return F.cross_entropy(self.network(batch.views[0]), batch.labels)\n"
    )
    write_suite(tmp_path / "s.toml", epochs=15, seeds=5, methods=("counted",))
    arguments = ("run", "s.toml", "--out", "out", "--plugin", "counted.py", "--jobs", 1)
    drivers = [start(*arguments, cwd=tmp_path) for _ in range(2)]
    for driver in drivers:
        status, output = finish(driver)
        assert status == 0, output
    executed = (tmp_path / "log").read_text().split()
    assert len(executed) == 5
    assert len(set(executed)) >= 2  # both took part (loky may renew a process that has grown)
    assert len(Store(tmp_path / "out").addresses()) == 5


@pytest.mark.slow
def test_two_jobs_give_the_same_records_as_one(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=6, seeds=3, methods=("cross_entropy", "co_teaching"))
    for jobs in (1, 2):
        assert run("run", "s.toml", "--out", f"out{jobs}", "--jobs", jobs, cwd=tmp_path)[0] == 0
    assert results(tmp_path / "out1") == results(tmp_path / "out2")


def test_a_full_disk_fails_the_run_clearly_and_leaves_no_half_record(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    if os.system(f"mount -t tmpfs -o size=600k tmpfs {mount} 2>/dev/null") != 0:
        pytest.skip("a tmpfs can't be mounted here (needs root)")
    try:
        (mount / "ballast").write_bytes(b"x" * 560_000)
        write_suite(tmp_path / "s.toml", epochs=2, seeds=2)
        status, output = run("run", "s.toml", "--out", mount / "out", "--jobs", 1, cwd=tmp_path)
        assert status == 1
        assert "the disk is full" in output
        store = Store(mount / "out")
        assert store.addresses() == []
        assert list(store.layout.records.glob("*.json")) == []
        (mount / "ballast").unlink()
        status, output = run("run", "s.toml", "--out", mount / "out", "--jobs", 1, "--retry-failed", cwd=tmp_path)
        assert status == 0, output
        assert len(store.addresses()) == 2
    finally:
        os.system(f"umount {mount}")


def test_the_plan_says_what_is_waiting(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=LONG, seeds=3)
    driver = start("run", "s.toml", "--out", "out", "--jobs", 1, cwd=tmp_path)
    try:
        wait_for(lambda: running(tmp_path / "out"))
        status, output = run("status", "s", "--out", "out", cwd=tmp_path)
    finally:
        kill_all(driver)
    assert status == 0
    assert "images/s" in output
    assert output.count("waiting ") >= 2
    plan = json.loads((tmp_path / "out" / "plans" / "s.json").read_text())
    assert len(plan["cells"]) == 3
    assert resumes(tmp_path / "out") == 0
