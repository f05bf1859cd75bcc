"""The cells of a suite are executed: here or on a cluster, what is missing alone, interrupted ones first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import plugins
from bench.api.image_files import make_ready
from bench.api.planned import Planned
from bench.api.proved import prove
from bench.api.request import RunOptions
from bench.api.runners import Runner, Slots, runner
from bench.machine import accelerator
from bench.planning import spec
from bench.sweep import changed, lease, leftovers, order, precisions, price
from bench.sweep.cluster_runs import SchedulerGone
from bench.sweep.progress import Progress, result, validation_result
from bench.sweep.remaining import in_time
from bench.sweep.run_queue import Rules
from bench.sweep.worker import Outcome
from bench.tracking.option import Tracking, chosen
from bench.training.environment import Environment, remove_checkpoint
from common import allotment, job
from results.layout import Layout
from results.store import Store

EXPECTED_RUNS = 2  # on an accelerator where the number is measured, to share its host's cores among reading processes


@dataclass(frozen=True)
class Executed:
    """failed: whether any run of the suite has; late: whether some were not begun, as the job they were in ends."""

    failed: bool
    late: bool = False


def readers(device: str, wanted: Slots) -> int:
    """Processes that read image files for one run: on a CPU none, as the network is what takes time there."""
    if not accelerator.is_cuda(device):
        return 0
    at_a_time = max(wanted.jobs or 1, wanted.runs_per_device or EXPECTED_RUNS)
    return max(1, min(8, allotment.processors().amount // at_a_time))


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
        redo=how.redo,
        tell_epochs=bool(how.track),
    )


def execute(
    console: Console, planned: Planned, environment: Environment, wanted_slots: Slots, how: RunOptions
) -> Executed:
    """Execute the missing cells on this machine or on a cluster."""

    def tell(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    leftovers.remove()
    leftovers.check_room()
    try:
        with runner(planned, environment, wanted_slots, how, tell) as chosen_runner:
            return execute_plan(console, planned, environment, chosen_runner, how)
    except SchedulerGone as fault:
        tell(f"--cluster {wanted_slots.cluster}: {fault}")
        return Executed(failed=True)


def execute_plan(
    console: Console,
    planned: Planned,
    environment: Environment,
    runner: Runner,
    how: RunOptions,
) -> Executed:
    """Execute the missing cells."""
    for warning in planned.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    store = Store(environment.store)
    again = changed.outdated(store, planned.cells)
    if prove(planned, store, environment.redo):
        # Missing or broken files are found before anything is written.
        make_ready(console, planned.parts, planned.cells, environment)
    store.write_plan(spec.plan(planned.name, planned.parts[0], planned.cells, planned.tuning))
    for line in changed.lines(store, again, how.redo):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)
    anew = {cell.address for cell in again if how.redo}
    todo, left_out = _todo(console, planned, store, how.retry_failed, anew)
    _clear(planned, todo if how.retry_failed else [], anew, store)
    wording = validation_result if planned.tuning else result
    progress = Progress(console, todo, store.root, runner.slots, wording, how.log_every)
    trackers = chosen(how.track, store.root)
    with progress.shown(), followed(console, planned.name, todo, store.root, trackers) as told:
        if todo:

            def finished(cell: spec.Cell, outcome: Outcome) -> None:
                progress.finished(cell, outcome)
                if outcome.status != "left":  # it goes on elsewhere or later: a tracker would take it for a failure
                    told(cell.address, outcome.status == "done")

            ordered, rates = _in_order(todo, store, environment.device)
            rules = Rules(not how.no_wait, in_time(rates, how.checkpoint_seconds), progress.started, anew)
            runner.run(ordered, finished, rules)
    for line in progress.summary():
        console.print(line, highlight=False)
    for cell, message in progress.failed:
        path = store.layout.failure(cell.address)
        console.print(
            f"failed: {cell.label}: {message} (traceback: {path})", style="red", highlight=False, soft_wrap=True
        )
    too_short = progress.late > 0 and not progress.here  # queueing such a job again would go on for good
    return Executed(left_out > 0 or bool(progress.failed) or too_short, progress.late > 0 and not too_short)


@contextmanager
def followed(
    console: Console, suite: str, cells: Sequence[spec.Cell], store: Path, trackers: Sequence[Tracking]
) -> Iterator[Callable[[str, bool], None]]:
    """Have trackers told of the runs for the time of the block; gives what is called once a run is over."""
    if not trackers:
        yield lambda address, done: None
        return
    from bench.tracking.follow import Follower  # nobody else needs it

    def tell(line: str) -> None:
        console.print(line, style="yellow", highlight=False, soft_wrap=True)

    observer, layout = lease.Observer(), Layout(store)

    def is_live(address: str) -> bool:
        holder = lease.read(layout.lease(address))
        return holder is not None and not observer.is_dead(holder)

    follower = Follower(trackers, suite, cells, store, tell, is_live)
    with follower.following():
        yield follower.finished


def _todo(
    console: Console, planned: Planned, store: Store, retry_failed: bool, again: Collection[str]
) -> tuple[list[spec.Cell], int]:
    """The cells to execute, and how many are left out as they failed earlier; both are told. again: done, but anew."""
    failures = store.failures()
    missing = [cell for cell in planned.cells if cell.address in again or not store.has(cell.address)]
    todo = [cell for cell in missing if retry_failed or cell.address not in failures]
    console.print(
        f"{planned.name}: {len(planned.cells)} runs, {len(planned.cells) - len(missing)} done, {len(todo)} to do",
        highlight=False,
    )
    for line in precisions.lines(store, missing):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)
    left_out = len(missing) - len(todo)
    if left_out:
        console.print(
            f"{left_out} failed earlier and are left out (--retry-failed executes them again)",
            highlight=False,
        )
    return todo, left_out


def _clear(planned: Planned, again: Sequence[spec.Cell], anew: Collection[str], store: Store) -> None:
    """Remove what is of use no more: checkpoints and leases of done runs, tracebacks of those that are tried again.

    anew: addresses of runs that are done, and executed again.
    """
    for cell in planned.cells:
        # its process may have been killed between publishing and clearing up
        if store.has(cell.address) and cell.address not in anew:
            remove_checkpoint(store.layout.checkpoint(cell.address))
            lease.clear(store.layout.lease(cell.address))
    for cell in again:
        store.clear_failure(cell.address)


def _in_order(todo: Sequence[spec.Cell], store: Store, device: str) -> tuple[list[spec.Cell], price.Rates]:
    """The cells in the order in which they are started, interrupted runs first; and the rates that this rests on."""
    ends = job.current()
    if len(todo) == 1 and (ends is None or ends.end is None):
        return list(todo), {}
    records = (store.load(address) for address in store.addresses())
    rates = price.rates(records, device)
    begun = {cell.address for cell in todo if store.layout.checkpoint(cell.address).exists()}
    return order.longest_first(todo, rates, begun), rates
