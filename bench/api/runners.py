"""Where the cells of a suite are executed: in slots of this machine, or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.api.planned import Planned
from bench.api.request import RunOptions
from bench.jobs import job_file, opened
from bench.machine import accelerator
from bench.planning import spec, spec_data
from bench.sweep import cluster, room, slots
from bench.sweep.cluster_runs import run_cluster
from bench.sweep.run_queue import Finished, Rules
from bench.tracking.option import chosen
from bench.training.environment import Environment
from common.errors import UserError, did_you_mean
from results.layout import DEFAULT_OUT, Layout
from results.store import Store

CAPTURES = ("auto", "off")


@dataclass(frozen=True)
class Runner:
    """What executes cells: how many at a time, and the call that returns when all are finished."""

    slots: int  # at most
    run: Callable[[Sequence[spec.Cell], Finished, Rules], None]


@dataclass(frozen=True)
class Slots:
    """How many runs at a time: on this machine (jobs None: what there is room for), or on the scheduler `cluster`.

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
    chosen(how.track, DEFAULT_OUT)  # refuses a tracker that is not there
    if how.cluster is not None:
        _check_cluster(how.cluster)
    per_device = slots.runs_per_device(how.runs_per_device, device, how.cluster)
    return Slots(how.jobs, per_device, how.cluster, how.mps == "auto")


@contextmanager
def runner(
    planned: Planned, environment: Environment, wanted: Slots, how: RunOptions, tell: Callable[[str], None]
) -> Iterator[Runner]:
    """What executes the cells of a plan. tell: is given lines on how many runs go on. Raises UserError."""
    if wanted.cluster is None:
        yield _here(planned, environment, wanted, tell)
        return
    with _connected(wanted.cluster, len(planned.cells), environment) as client:
        data = [(part.data.name, spec_data.choice_of(part, environment.skip_broken)) for part in planned.parts]
        limit = None if job_file.is_named(wanted.cluster) else cluster.DEFAULT_WAIT
        patience = limit if how.cluster_wait is None else how.cluster_wait
        cluster.wait_for_workers(client, patience, tell, getattr(client.cluster, "refused", str))
        count = cluster.check_workers(client, environment, data)
        yield Runner(count, lambda cells, done, rules: run_cluster(client, environment, cells, done, rules, tell))


def _check_cluster(named: str) -> None:
    """Raises UserError where --cluster names neither a scheduler nor a readable job file."""
    system = named.partition(":")[0]
    if job_file.is_named(named) and (system in job_file.SYSTEMS or did_you_mean(system, job_file.SYSTEMS)):
        job_file.read(*job_file.parted(named))
    else:
        cluster.check_address(named)


@contextmanager
def _connected(named: str, runs: int, environment: Environment) -> Iterator[Any]:
    """A client of the scheduler, or of a cluster of jobs that is opened for these runs."""
    if not job_file.is_named(named):
        with cluster.connected(named) as client:
            yield client
        return
    system, path = job_file.parted(named)
    asked = job_file.read(system, path)
    jobs = min(asked.jobs, -(-runs // asked.runs))
    logs = Layout(environment.store).jobs
    with opened.opened(system, asked, jobs, logs) as jobs_cluster, cluster.connected(named, jobs_cluster) as client:
        yield client


def _here(planned: Planned, environment: Environment, wanted: Slots, tell: Callable[[str], None]) -> Runner:
    from bench.sweep import scheduler  # joblib takes long to import, and a dry run needs none of it

    store = Store(environment.store)
    records = (store.load(address) for address in store.addresses())
    capacity = room.room(planned.cells, records, environment.device)
    if capacity.why and wanted.jobs is None and not accelerator.is_cuda(environment.device):
        tell(f"{capacity.runs} run{'s' * (capacity.runs > 1)} at a time: {capacity.why} (--jobs)")
    places = slots.places(environment, wanted.jobs, wanted.runs_per_device, capacity.runs)
    return Runner(
        sum(place.packing.most for place in places),
        lambda cells, done, rules: scheduler.run_local(cells, places, done, tell, wanted.mps, rules),
    )
