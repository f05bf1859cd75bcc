"""Rates that a method or a stage scales, rates that a step reads, and the optimisers that published methods name."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from small_runs import Probe, Starter, starter
from torch import Tensor, nn

from bench.recipe.kinds import model_of
from bench.recipe.lars import Lars, trust
from bench.recipe.optimizers import OPTIMIZERS
from bench.training import trainer
from bench.training.capture import make
from bench.training.step import Run
from methods.base import Batch, Stage
from methods.hyper import MethodError
from methods.updates import Optimizers

FLAT = "training.schedule={name='constant'}"


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Starter:
    return starter(monkeypatch)


class Cyclic(Probe):
    """A saw of one epoch for what is named "all"; constant for the rest."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        first, *others = self.network.parameters()
        return [{"params": others, "name": "all"}, {"params": [first], "lr": 0.3, "schedule": False}]

    def rate_scale(self, progress: float, group: str) -> float:
        return 1 - progress % 1 if group == "all" else 0.0


def noted(run: Run) -> list[tuple[float, ...]]:
    batches: list[Batch] = run.method.batches  # type: ignore[assignment]
    return [batch.rates for batch in batches]


def test_a_method_has_its_own_cycle_and_a_step_reads_the_rates(start: Starter) -> None:
    run = start(Cyclic, FLAT)
    seen: list[float] = []
    assert run.optimizers is None
    run.beat = lambda progress: seen.append(float(run.optimizers.groups[0].group["lr"]))  # type: ignore[union-attr]
    for _ in range(2):
        trainer.train_epoch(run)
    expected = [0.05 * part for part in (1, 0.75, 0.5, 0.25)] * 2
    assert seen == pytest.approx(expected)
    assert noted(run) == [(pytest.approx(rate), 0.3) for rate in expected]


def test_a_stage_scales_also_without_restart_and_the_record_says_the_rate(start: Starter) -> None:
    class Scaled(Probe):
        def stages(self) -> list[Stage]:
            return [Stage(1), Stage(1, restart=False, rate_scale=0.1), Stage(rate_scale=2.0)]

    run = start(Scaled, FLAT)
    found = [trainer.train_epoch(run)["learning_rate"] for _ in range(3)]
    assert found == pytest.approx([0.05, 0.005, 0.1])


def test_a_run_goes_on_in_the_stage_that_scales(start: Starter) -> None:
    class Scaled(Probe):
        def stages(self) -> list[Stage]:
            return [Stage(1), Stage(restart=False, rate_scale=0.1)]

    whole, resumed = start(Scaled), start(Scaled)
    for _ in range(2):
        trainer.train_epoch(whole)
    trainer.load_state_dict(resumed, copy.deepcopy(trainer.state_dict(whole)))
    rates = [trainer.train_epoch(run)["learning_rate"] for run in (whole, resumed)]
    assert rates[0] == rates[1]
    pairs = zip(whole.method.parameters(), resumed.method.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_captured_steps_have_scaled_rates(start: Starter) -> None:
    class Saw(Cyclic):
        def loss(self, batch: Batch) -> Tensor:
            logits = self.network(batch.views[0])
            batch.observe(logits)
            return nn.functional.cross_entropy(logits, batch.labels)

    runs = [start(Saw, "training.batch_size=10") for _ in range(2)]
    runs[1].captured = make("trace", torch.device("cpu"), lambda line: None)
    runs[1].rates_on_device = runs[0].rates_on_device = True
    for run in runs:
        trainer.train_epoch(run)
    assert runs[1].captured is not None and runs[1].captured.replayed
    pairs = zip(runs[0].method.parameters(), runs[1].method.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_step_that_reads_rates_is_not_captured(start: Starter) -> None:
    class Reading(Probe):
        def loss(self, batch: Batch) -> Tensor:
            logits = self.network(batch.views[0])
            batch.observe(logits)
            return batch.rates[0] * nn.functional.cross_entropy(logits, batch.labels)

    run = start(Reading, "training.batch_size=10")
    run.captured, run.rates_on_device = make("trace", torch.device("cpu"), lambda line: None), True
    trainer.train_epoch(run)
    assert run.captured is not None
    assert (run.captured.replayed, run.captured.reason) == (0, "reads batch.rates")


def test_steps_of_its_own_read_the_rate_of_a_group(start: Starter) -> None:
    class Own(Cyclic):
        def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
            assert optimizers.rate("all") == optimizers.rate() == pytest.approx(batch.rates[0])
            loss = self.loss(batch)
            optimizers.descend(loss, "all")
            return loss

    run = start(Own, FLAT)
    trainer.train_epoch(run)
    assert len(noted(run)) == 4


@pytest.mark.parametrize("scale", [-1.0, math.nan, math.inf])
def test_a_scale_that_is_none_is_refused(scale: float, start: Starter) -> None:
    class Wrong(Probe):
        def rate_scale(self, progress: float, group: str) -> float:
            return scale

    with pytest.raises(MethodError, match=r"rate_scale\(0, ''\) = "):
        trainer.train_epoch(start(Wrong))
    with pytest.raises(MethodError, match=r"Stage\(rate_scale="):
        Stage(rate_scale=scale)


@pytest.mark.parametrize("name", [kind.name for kind in OPTIMIZERS])
def test_every_optimiser_names_its_source_and_learns_and_goes_on_bit_identically(name: str, start: Starter) -> None:
    assert "20" in (model_of(OPTIMIZERS[name]).__doc__ or "")
    settings = (f"training.optimizer={{name='{name}', lr=0.01}}", "training.epochs=4")
    whole, resumed = start(Probe, *settings), start(Probe, *settings)
    losses = [trainer.train_epoch(whole)["train_loss"] for _ in range(2)]
    trainer.load_state_dict(resumed, copy.deepcopy(trainer.state_dict(whole)))
    losses.append(trainer.train_epoch(whole)["train_loss"])
    assert trainer.train_epoch(resumed)["train_loss"] == losses[-1] < losses[0]
    pairs = zip(whole.method.parameters(), resumed.method.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_lars_is_its_algorithm() -> None:
    weight, bias = nn.Parameter(torch.tensor([[3.0, 4.0]])), nn.Parameter(torch.tensor([2.0]))
    made = Lars([{"params": [weight, bias], "lr": 0.5, "momentum": 0.9, "weight_decay": 0.1,
                  "trust_coefficient": 0.01, "vectors": False}])  # fmt: skip
    weight.grad, bias.grad = torch.tensor([[0.0, 2.0]]), torch.tensor([1.0])
    made.step()
    share = 0.01 * 5 / (2 + 0.1 * 5)
    first = 0.5 * share * torch.tensor([[0.3, 2.4]])
    assert torch.allclose(weight, torch.tensor([[3.0, 4.0]]) - first)
    assert bias.item() == pytest.approx(1.5)
    made.step()
    assert bias.item() == pytest.approx(1.5 - (0.9 * 0.5 + 0.5))
    assert trust(torch.zeros(2), torch.ones(2), 0.01, 0.0).item() == 1.0
