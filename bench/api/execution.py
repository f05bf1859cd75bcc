"""The cells of a suite are executed: here or on a cluster, what is missing alone, interrupted ones first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import plugins
from bench.api.image_files import make_ready
from bench.api.planned import Planned
from bench.api.request import RunOptions
from bench.machine import accelerator
from bench.planning import spec, spec_data
from bench.sweep import cluster, lease, leftovers, log, order, price, scheduler, slots
from bench.sweep.progress import Progress, result, validation_result
from bench.sweep.run_queue import Finished
from bench.training.environment import Environment, remove_checkpoint
from common.errors import UserError, did_you_mean
from results.store import Store

CAPTURES = ("auto", "off")
EXPECTED_RUNS = 2  # on an accelerator where the number is measured, to share its host's cores among reading processes


@dataclass(frozen=True)
class Runner:
    """What executes cells: how many at a time, and the call that returns when all are finished."""

    slots: int  # at most
    run: Callable[[Sequence[spec.Cell], Finished], None]


@dataclass(frozen=True)
class Slots:
    """How many runs at a time: on this machine (jobs None: one per core), or on the Dask scheduler `cluster`.

    runs_per_device: on each accelerator; None: as measured. mps: whether MPS is started for several on one.
    """

    jobs: int | None = None
    runs_per_device: int | None = None
    cluster: str | None = None
    mps: bool = True


def slots_of(device: str, how: RunOptions) -> Slots:
    """How many runs at a time on the device. Raises UserError, also for other options that no device takes."""
    if how.capture not in CAPTURES:
        hint = did_you_mean(how.capture, CAPTURES)
        raise UserError(f"--capture {how.capture!r}{hint} (accepted: {', '.join(CAPTURES)})")
    if how.mps not in ("auto", "off"):
        raise UserError(f"--mps {how.mps!r} is unknown (accepted: auto, off)")
    per_device = slots.runs_per_device(how.runs_per_device, device, how.cluster)
    return Slots(how.jobs, per_device, how.cluster, how.mps == "auto")


def readers(device: str, wanted: Slots) -> int:
    """Processes that read image files for one run: on a CPU none, as the network is what takes time there."""
    if not accelerator.is_cuda(device):
        return 0
    at_a_time = max(wanted.jobs or 1, wanted.runs_per_device or EXPECTED_RUNS)
    return max(1, min(8, (os.cpu_count() or 1) // at_a_time))


def environment_of(
    suite: Planned, out: Path, data: Path, device: str, slots: Slots, how: RunOptions, skip_broken: bool = False
) -> Environment:
    """Where and how the cells are executed, `how` having passed `slots_of`."""
    return Environment(
        store=out.absolute(),
        data=data.absolute(),
        device=device,
        plugins=plugins.added_files(),
        noise_files=suite.noise_files,
        checkpoint_seconds=how.checkpoint_seconds,
        stall_seconds=60 * how.stall_minutes,
        skip_broken=skip_broken,
        workers=readers(device, slots) if how.workers is None else how.workers,
        weights=None if how.weights is None else Path(how.weights).absolute(),
        capture=how.capture,
    )


def execute(
    console: Console,
    planned: Planned,
    environment: Environment,
    wanted_slots: Slots,
    retry_failed: bool,
    log_every: float = log.DEFAULT_SECONDS,
) -> bool:
    """Execute the missing cells on this machine or on a cluster; returns whether any run of the suite has failed."""
    leftovers.remove()
    leftovers.check_room()
    if wanted_slots.cluster is None:
        places = slots.places(environment, wanted_slots.jobs, wanted_slots.runs_per_device)

        def tell(line: str) -> None:
            console.print(line, highlight=False, soft_wrap=True)

        local = Runner(
            sum(place.packing.most for place in places),
            lambda cells, done: scheduler.run_local(cells, places, done, tell, wanted_slots.mps),
        )
        return execute_plan(console, planned, environment, local, retry_failed, log_every)
    with cluster.connected(wanted_slots.cluster) as client:
        wanted = [(part.data.name, spec_data.choice_of(part, environment.skip_broken)) for part in planned.parts]
        count = cluster.check_workers(client, environment, wanted)
        remote = Runner(count, lambda cells, done: cluster.run_cluster(client, cells, environment, done))
        return execute_plan(console, planned, environment, remote, retry_failed, log_every)


def execute_plan(
    console: Console,
    planned: Planned,
    environment: Environment,
    runner: Runner,
    retry_failed: bool,
    log_every: float = log.DEFAULT_SECONDS,
) -> bool:
    """Execute the missing cells; returns whether any run of the suite has failed."""
    for warning in planned.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    store = Store(environment.store)
    if any(not store.has(cell.address) for cell in planned.cells):
        plugins.prove(cell.spec.method.name for cell in planned.cells)
        # Missing or broken files are found before anything is written.
        make_ready(console, planned.parts, planned.cells, environment)
    store.write_plan(spec.plan(planned.name, planned.parts[0], planned.cells, planned.tuning))
    todo, left_out = _todo(console, planned, store, retry_failed)
    _clear(planned, todo, store)
    wording = validation_result if planned.tuning else result
    progress = Progress(console, todo, store.root, runner.slots, wording, log_every)
    try:
        with progress.shown():
            if todo:
                runner.run(_in_order(todo, store, environment.device), progress.finished)
    except KeyboardInterrupt:
        message = "\nstopped; finished runs and checkpoints are kept: the same command goes on from there"
        console.print(message, highlight=False, soft_wrap=True)
        raise
    for cell, message in progress.failed:
        path = store.layout.failure(cell.address)
        console.print(
            f"failed: {cell.label}: {message} (traceback: {path})", style="red", highlight=False, soft_wrap=True
        )
    return left_out > 0 or bool(progress.failed)


def _todo(console: Console, planned: Planned, store: Store, retry_failed: bool) -> tuple[list[spec.Cell], int]:
    """The cells to execute, and how many are left out as they failed earlier; both are told."""
    failures = store.failures()
    missing = [cell for cell in planned.cells if not store.has(cell.address)]
    todo = [cell for cell in missing if retry_failed or cell.address not in failures]
    console.print(
        f"{planned.name}: {len(planned.cells)} runs, {len(planned.cells) - len(missing)} done, {len(todo)} to do",
        highlight=False,
    )
    left_out = len(missing) - len(todo)
    if left_out:
        console.print(
            f"{left_out} failed earlier and are left out (--retry-failed executes them again)",
            highlight=False,
        )
    return todo, left_out


def _clear(planned: Planned, todo: Sequence[spec.Cell], store: Store) -> None:
    """Remove what is of use no more: checkpoints and leases of done runs, tracebacks of those that are tried again."""
    for cell in planned.cells:
        if store.has(cell.address):  # its process may have been killed between publishing and clearing up
            remove_checkpoint(store.layout.checkpoint(cell.address))
            lease.clear(store.layout.lease(cell.address))
    for cell in todo:
        store.clear_failure(cell.address)


def _in_order(todo: Sequence[spec.Cell], store: Store, device: str) -> list[spec.Cell]:
    """The cells in the order in which they are started; interrupted runs first."""
    if len(todo) == 1:
        return list(todo)
    records = (store.load(address) for address in store.addresses())
    rates = price.rates(records, device)
    begun = {cell.address for cell in todo if store.layout.checkpoint(cell.address).exists()}
    return order.longest_first(todo, rates, begun)
