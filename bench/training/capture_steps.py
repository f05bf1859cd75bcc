"""One training step of a phase: by Python, or as it is recorded; both do the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from bench.training.capture_guard import DeviceBatch
from bench.training.capture_tables import EpochTables
from bench.training.step import PhaseWalk, Run, count_step, descend
from datasets.loader import MemoryWalk
from methods.base import Method


def draws_of(run: Run, size: int, steps: int) -> Sequence[Mapping[str, Tensor]]:
    """What the method draws for so many steps, in their order."""
    if type(run.method).step_draws is Method.step_draws:
        return []
    return [run.method.step_draws(size) for _ in range(steps)]


def python_step(walk: PhaseWalk, number: int, draws: Mapping[str, Tensor]) -> None:
    """A full batch by Python; it is not counted."""
    assert isinstance(walk.walk, MemoryWalk) and walk.run.optimizers is not None
    walk.run.optimizers.set_rates(walk.progress(number))
    drawn = walk.walk.at(slice(number * walk.size, (number + 1) * walk.size))
    descend(walk.run, walk.batch(number, drawn, draws))


def count(walk: PhaseWalk, number: int) -> None:
    """Count a step by Python."""
    assert walk.run.optimizers is not None
    progress = walk.progress(number)
    count_step(walk.run, walk.size, progress, walk.run.optimizers.rates(progress)[0])


def go_on(walk: PhaseWalk, tables: EpochTables, first: int) -> int:
    """The full batches from `first` on by Python, with the draws that are made already; returns how many there are."""
    for number in range(first, tables.steps):
        python_step(walk, number, tables.drawn(number))
        count(walk, number)
    return tables.steps


def device_step(walk: PhaseWalk, tables: EpochTables, noted: set[str]) -> None:
    """The step that is recorded: everything that changes from one to the next comes from the tables."""
    run = walk.run
    assert run.optimizers is not None
    number, rows = tables.rows()
    index, views = tables.walk.at(rows)
    run.optimizers.take_rates(tables.rates.index_select(0, number)[0])
    batch = DeviceBatch(
        views=views,
        labels=run.labels[index],
        index=index,
        epoch=run.position.epoch + 1,
        step=0,
        progress=0.0,
        observe=tables.observed.observer(rows),
        terms=run.health.add_known_terms,
        phase=walk.phase.name,
        number=walk.phase.number,
        draws={name: table.index_select(0, number)[0] for name, table in tables.draws.items()},
    )
    batch.note_in(noted)
    descend(run, batch)
    tables.step.add_(1)
