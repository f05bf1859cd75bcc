"""SAM, which any row may ask of its optimiser: its step, what the second pass leaves alone, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from command_line import Command, write_suite
from small_runs import Probe, Starter, specification, starter
from torch import Tensor

from bench.training import optim_build
from bench.training.step import Run, begin, descend
from common.errors import UserError
from methods.base import Batch, Phase
from methods.hyper import MethodError
from results.plan import plan_of, shared_protocol
from results.record import address
from results.store import Store

start = pytest.fixture(starter)


class Counting(Probe):
    """Cross-entropy with a random weight and a table that each pass writes."""

    table: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("table", torch.zeros(()))

    def loss(self, batch: Batch) -> Tensor:
        self.table = self.table + 1  # another tensor, not the same one
        logits = self.network(batch.views[0])
        batch.observe(logits)
        weight = 0.5 + float(self.task.rng.random()) + float(torch.rand((), generator=self.task.generator))
        return weight * F.cross_entropy(logits, batch.labels)


def stepped(start: Starter, *assignments: str) -> tuple[Run, Batch, list[Tensor]]:
    """A run after its first step, the batch of it, and the gradients that it left."""
    run = start(Counting, "training.optimizer={ lr = 0.05, momentum = 0.0, weight_decay = 0.0 }", *assignments)
    run.optimizers = optim_build.build(
        run.method.parameter_groups(), run.spec.optimizer, run.spec.schedule, 0, run.spec.epochs
    )
    run.method.train()
    run.task.seed_epoch(1)
    run.optimizers.set_rates(0.0)
    generators = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    walk = begin(run, Phase(), (0, 1), generators)
    batch = walk.batch(0, next(iter(walk.walk)))
    descend(run, batch)
    return run, batch, [p.grad for p in run.method.parameters() if p.grad is not None]


def test_the_gradient_is_that_of_the_highest_place_nearby(start: Starter) -> None:
    _, batch, gradients = stepped(start)
    sharp, _, found = stepped(start, "training.optimizer.sam=0.3")
    own: Any = start(Counting).method
    own.train()
    length = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    with torch.no_grad():
        for parameter, gradient in zip(own.parameters(), gradients, strict=True):
            parameter += 0.3 * gradient / length
    own.task.seed_epoch(1)
    weight = 0.5 + float(own.task.rng.random()) + float(torch.rand((), generator=own.task.generator))
    loss = weight * F.cross_entropy(own.network(batch.views[0]), batch.labels)
    wanted = torch.autograd.grad(loss, list(own.parameters()))
    for have, want, other in zip(found, wanted, gradients, strict=True):
        torch.testing.assert_close(have, want, rtol=1e-4, atol=1e-6)
        assert not torch.equal(have, other)
    fresh: Any = start(Counting).method
    for have, old, gradient in zip(sharp.method.parameters(), fresh.parameters(), found, strict=True):
        torch.testing.assert_close(have, old - 0.05 * gradient)


def test_the_second_pass_leaves_no_trace(start: Starter) -> None:
    (plain, _, _), (sharp, _, _) = stepped(start), stepped(start, "training.optimizer.sam=0.3")
    buffers = dict(plain.method.named_buffers())
    assert float(buffers["table"]) == 1
    for name, value in sharp.method.named_buffers():
        assert torch.equal(value, buffers[name]), name
    assert sharp.task.rng.random() == plain.task.rng.random()
    assert torch.equal(sharp.task.generator.get_state(), plain.task.generator.get_state())
    assert sharp.observer.mark() == plain.observer.mark()
    assert sharp.task.counter.cost == 2 * plain.task.counter.cost  # but it costs what it costs


def test_a_radius_of_zero_is_no_part_of_a_specification() -> None:
    plain, none = specification(), specification("cross_entropy", "training.optimizer.sam=0.0")
    assert "sam" not in plain.optimizer and address(none) == address(plain)
    sharp = specification("cross_entropy", "training.optimizer.sam=0.05")
    assert sharp.optimizer["sam"] == 0.05 and address(sharp) != address(plain)


def test_a_wrong_radius_is_refused(start: Starter) -> None:
    with pytest.raises(UserError, match=r"training\.optimizer\.sam"):
        specification("cross_entropy", "training.optimizer.sam=-1.0")
    run = start(Counting)
    groups = [{"params": list(run.method.parameters()), "sam": 0.1}]
    with pytest.raises(MethodError, match="'sam': is for all parameters at once"):
        optim_build.build(groups, run.spec.optimizer, run.spec.schedule, 0, 3)


def test_no_such_step_is_captured(start: Starter) -> None:
    optimizers = stepped(start, "training.optimizer.sam=0.3")[0].optimizers
    assert optimizers is not None and "twice" in optimizers.obstacle


SHARP = """
[methods.elr_sharp]
method = "elr"
title = "ELR, SAM"
training.optimizer = { sam = 0.05 }
"""


def test_in_a_comparison_one_row_may_take_such_steps_beside_the_same_without(
    command: Command, in_process: list[str], refused: Callable[..., str], tmp_path: Path
) -> None:
    path = write_suite(tmp_path / "s.toml", epochs=1, methods=("cross_entropy", "elr"))
    path.write_text(path.read_text() + SHARP)
    ended = command("run", "s.toml")
    assert ended.status == 0, ended
    store = Store(tmp_path / "output")
    records = [store.load(one) for one in store.addresses()]
    assert len(records) == 3 and len({shared_protocol(record["spec"]) for record in records}) == 1
    passes = {record["spec"]["optimizer"].get("sam", 0.0): record["cost"]["passes_per_step"] for record in records}
    assert passes == {0.0: 1.0, 0.05: 2.0}
    assert plan_of("s", records)["purpose"] == "compare"
    assert command("report").status == 0
    table = (tmp_path / "output" / "report" / "tables" / "s-accuracy.md").read_text()
    assert "| ELR, SAM |" in table and "| ELR |" in table
    path.write_text(path.read_text().replace("sam = 0.05", "clip_norm = 5.0"))
    assert "only have its own optimizer.lr, optimizer.weight_decay and optimizer.sam" in refused("run", "s.toml")
