"""What a captured step reads and writes beside the training state: an epoch's worth, in memory that stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bench.training.step import PhaseWalk, Run
from bench.training.task import NotCapturable
from datasets.loader import MemoryWalk
from methods.base import Batch, Observe

Seen = tuple[list[Tensor], dict[str, list[Tensor]]]  # of one step, a tensor a call of `observe`: logits, named values


class Observed:
    """Room for what an epoch's steps observe: `steps` times the shapes that one step had."""

    def __init__(self, one: Seen, steps: int, size: int, device: torch.device) -> None:
        self.size = size

        def room(example: Tensor) -> Tensor:
            if len(example) != size:
                raise NotCapturable("observes a part of the batch")
            return torch.zeros(steps * size, *example.shape[1:], dtype=example.dtype, device=device)

        self.logits = [room(part) for part in one[0]]
        self.named = {name: [room(part) for part in parts] for name, parts in one[1].items()}

    def observer(self, rows: Tensor) -> Observe:
        """The `observe` of a step that is recorded; rows [B] int64: the positions of its samples in the walk."""
        calls, named = iter(self.logits), {name: iter(parts) for name, parts in self.named.items()}

        def observe(logits: Tensor, batch: Batch | None = None, **values: Tensor) -> None:
            if batch is not None:
                raise NotCapturable("observes a further batch")
            tables = [next(calls, None), *(next(named.get(name, iter(())), None) for name in values)]
            for table, value in zip(tables, (logits, *values.values()), strict=True):
                if table is None or table.shape[1:] != value.shape[1:] or table.dtype != value.dtype:
                    raise NotCapturable("observes other values than in the step before")
                table.index_copy_(0, rows, value.detach())

        return observe

    def rows(self, first: int, stop: int) -> Seen:
        """What the steps from `first` to `stop` have observed."""
        part = slice(first * self.size, stop * self.size)
        return (
            [table[part].clone() for table in self.logits],
            {name: [table[part].clone() for table in parts] for name, parts in self.named.items()},
        )


class EpochTables:
    """Order, draws, learning rates and observations of the full batches of a phase, and where a replay stands."""

    def __init__(self, walk: PhaseWalk, steps: int, one: Seen, draws: Mapping[str, Tensor]) -> None:
        """one: what a step of the phase observed; draws: what the method draws for a step."""
        assert isinstance(walk.walk, MemoryWalk) and walk.run.optimizers is not None
        device = walk.run.labels.device
        self.steps, self.size = steps, walk.size
        self.walk = walk.walk
        self.observed = Observed(one, steps, walk.size, device)
        self.draws = {
            name: torch.zeros(steps, *value.shape, dtype=value.dtype, device=device) for name, value in draws.items()
        }
        self.rates = torch.zeros(steps, len(walk.run.optimizers.groups), device=device)
        self.first_rates: list[float] = []
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        self.within = torch.arange(walk.size, device=device)

    def take(self, walk: PhaseWalk) -> None:
        """Hold the order, the draws and the learning rates of this epoch's walk."""
        assert isinstance(walk.walk, MemoryWalk) and walk.run.optimizers is not None
        if walk.walk is not self.walk:
            self.walk.take(walk.walk)
        rates = [walk.run.optimizers.rates(walk.progress(number)) for number in range(self.steps)]
        self.rates.copy_(torch.tensor(rates))
        self.first_rates = [step[0] for step in rates]

    def take_draws(self, first: int, drawn: Sequence[Mapping[str, Tensor]]) -> None:
        """Hold the method's draws for the steps from `first` on."""
        for name, table in self.draws.items():
            values = [step[name] for step in drawn]
            if any(value.shape != table.shape[1:] for value in values):
                raise NotCapturable(f"draws {name!r} in several shapes")
            table[first : first + len(values)] = torch.stack(values).to(table.device)

    def drawn(self, number: int) -> dict[str, Tensor]:
        """The method's draws for a step."""
        return {name: table[number] for name, table in self.draws.items()}

    def fits(self, walk: PhaseWalk, steps: int) -> bool:
        """Whether the phase has as many full batches over as many samples."""
        return (
            isinstance(walk.walk, MemoryWalk) and steps == self.steps and len(walk.walk.index) == len(self.walk.index)
        )

    def rows(self) -> tuple[Tensor, Tensor]:
        """The number of the step being replayed, [1], and its samples' positions in the walk, [B]."""
        return self.step.reshape(1), self.step * self.size + self.within

    def samples(self, first: int, stop: int) -> Tensor:
        """The training set's rows of the steps from `first` to `stop`."""
        return self.walk.index[first * self.size : stop * self.size].clone()


def give(run: Run, tables: EpochTables, first: int, stop: int) -> None:
    """Hand the observer what the steps from `first` to `stop` have observed."""
    logits, named = tables.observed.rows(first, stop)
    rows = tables.samples(first, stop)
    for number, part in enumerate(logits):
        values = {name: parts[number] for name, parts in named.items() if number < len(parts)}
        run.observer.extend(rows, part, values)
