"""Worker processes end with the one that started them, also those that it never gave anything to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from command_line import ENVIRONMENT, HOME, wait_for

from bench.machine import processes
from bench.machine.processes import process_start

SLOT = """
import threading
from bench.sweep import mps
from bench.sweep.slot_worker import SlotWorker

worker = SlotWorker("cpu", mps.Service(print), threading.Event(), None)
worker.start_ahead()
pids = list(worker._executor._processes)
"""
MEASURED = """
from bench.speed.workers import fresh_processes

pool = fresh_processes(2)
pool.submit(int).result()
pids = list(pool._processes)
"""
REST = """
import time
print(*pids, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("program", [SLOT, MEASURED], ids=["of a slot", "of a measurement"])
def test_a_worker_that_rests_ends_with_its_killed_driver(program: str) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", program + REST], cwd=HOME, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    workers = [int(pid) for pid in driver.stdout.readline().split()]
    try:
        assert workers and all(process_start(pid) for pid in workers)
        driver.kill()
        driver.wait()
        wait_for(lambda: not any(process_start(pid) for pid in workers), seconds=10)
    finally:
        driver.kill()
        for pid in filter(process_start, workers):
            os.kill(pid, signal.SIGKILL)


def test_where_the_system_does_not_tell_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(processes, "process_start", lambda pid: None)  # as on systems without /proc
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(processes, "_watched", set())
    driver = processes.Driver.this()
    assert driver.started == ""
    processes.end_with(driver)
    assert (processes._watched, ended) == (set(), [])
