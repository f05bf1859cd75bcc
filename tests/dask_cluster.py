"""A real Dask cluster for a test: a scheduler and workers as processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from command_line import ENVIRONMENT, wait_for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A scheduler and its workers, each in a session of its own."""

    def __init__(self, folder: Path, allowed_failures: int | None = None, scheme: str = "tcp") -> None:
        self.folder = folder
        self.address = f"{scheme}://127.0.0.1:{free_port()}"
        self.processes: list[subprocess.Popen[bytes]] = []
        settings = {} if allowed_failures is None else {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        port = self.address.rpartition(":")[2]
        self._start(
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--protocol",
            scheme,
            "--no-dashboard",
            settings=settings,
        )
        wait_for(self._answers)

    def _start(self, *arguments: str, settings: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
            cwd=self.folder,
            env={**ENVIRONMENT, **(settings or {})},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"{arguments[0]}.log").open("ab"),
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def _answers(self) -> bool:
        with socket.socket() as probe:
            host, port = self.address.partition("://")[2].split(":")
            return probe.connect_ex((host, int(port))) == 0

    def worker(self, threads: int = 1, nanny: bool = False) -> subprocess.Popen[bytes]:
        """A worker; without a nanny, killing it ends it for good."""
        kind = "--nanny" if nanny else "--no-nanny"
        return self._start("worker", self.address, "--nthreads", str(threads), kind, "--no-dashboard")

    def wait_for_workers(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


Make = Callable[..., Cluster]


@contextmanager
def clusters(folder: Path, scheme: str = "tcp") -> Iterator[Make]:
    """What makes clusters that share `folder`; they are stopped at the end."""
    made: list[Cluster] = []

    def make(workers: int = 2, threads: int = 1, allowed_failures: int | None = None) -> Cluster:
        cluster = Cluster(folder, allowed_failures, scheme)
        made.append(cluster)
        for _ in range(workers):
            cluster.worker(threads)
        if workers:
            cluster.wait_for_workers(workers)
        return cluster

    try:
        yield make
    finally:
        for cluster in made:
            cluster.stop()
