"""What a worker of a Dask cluster does when it is closed, as at its job's time limit: it stops its run in order."""

from __future__ import annotations

import asyncio
from typing import Any

from distributed import Status, WorkerPlugin

from bench.sweep import halt
from bench.sweep.worker import wait_until_idle


class HaltPlugin(WorkerPlugin):
    """Stops the run of a worker that ends, so that its checkpoint is new and its lease free."""

    name = "noisy-label-bench-halt"

    async def teardown(self, worker: Any) -> None:
        if worker.status in (Status.running, Status.paused):  # another driver has come, which brings its own
            return
        halt.ask()
        await asyncio.to_thread(wait_until_idle)
