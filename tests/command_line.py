"""Starting the real command line in processes of its own, on tiny suites."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.record import dumps, result
from results.store import Store

HOME = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HOME), "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """How a command went: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


Command = Callable[..., Ended]

SUITE = """
title = "Tiny"
purpose = "compare"
seeds = {seeds}

[data]
name = "digits"

[[noise]]
model = "symmetric"
rate = 0.5

[training]
network = "digits_cnn"
epochs = {epochs}
batch_size = 64
optimizer = {{ lr = 0.05 }}
precision = "fp32"

"""


def write_suite(path: Path, epochs: int = 4, seeds: int = 1, methods: tuple[str, ...] = ("cross_entropy",)) -> Path:
    """A suite on digits, small enough for a test."""
    path.write_text(SUITE.format(epochs=epochs, seeds=seeds) + "".join(f"[methods.{name}]\n" for name in methods))
    return path


def start(*arguments: Any, cwd: Path, stdout: Any = subprocess.PIPE) -> subprocess.Popen[str]:
    """`python run_benchmark.py ARGUMENTS` in a session of its own, so that all its processes can be killed at once."""
    return subprocess.Popen(
        [sys.executable, str(HOME / "run_benchmark.py"), *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_listen_to_control_c,  # noqa: PLW1509 (it takes no lock)
    )


def _listen_to_control_c() -> None:
    """What a shell starts in the background ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: subprocess.Popen[str], timeout: float = 120) -> tuple[int, str]:
    """Exit status and output."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_all(process)
        raise
    return process.returncode, output or ""


def run(*arguments: Any, cwd: Path, timeout: float = 120) -> tuple[int, str]:
    """Exit status and output of `python run_benchmark.py ARGUMENTS`."""
    return finish(start(*arguments, cwd=cwd), timeout)


def kill_all(process: subprocess.Popen[str]) -> None:
    """kill -9 of the process and all it has started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing happened in {seconds} s")


def results(store: Path) -> dict[str, str]:
    """Address -> the record's text without `execution`: what must be byte-identical."""
    known = Store(store)
    return {address: dumps(result(known.load(address))) for address in known.addresses()}


def resumes(store: Path) -> int:
    """How often runs of the store were resumed, as `execution` counts."""
    known = Store(store)
    return sum(known.load(address)["execution"]["resumes"] for address in known.addresses())
