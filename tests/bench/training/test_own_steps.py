"""Steps that a method takes itself: measured, clipped, skipped, resumed as usual ones; never captured; no SAM."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bilevel_method
import pytest
import registries
import torch
import torch.nn.functional as F
from small_runs import Probe, Starter, specification, started, starter
from torch import Tensor, nn

from bench.checks.check import run_checks
from bench.checks.subject import Subject
from bench.recipe.optimizers import OPTIMIZERS
from bench.training import trainer
from bench.training.build import build_run
from bench.training.data import prepare
from bench.training.step import Run
from common.errors import UserError
from methods import registry
from methods.base import Batch
from methods.hyper import MethodError
from methods.updates import Optimizers

TRUSTED = "data.trusted={size=20, per_class=true}"


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Starter:
    return starter(monkeypatch)


@pytest.fixture
def bilevel() -> Iterator[str]:
    with registries.as_before():
        registry.add_file(Path(bilevel_method.__file__))
        yield "bilevel"


def weights(run: Run) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.method.parameters()])


class Same(Probe):
    """The usual step, taken by the method."""

    def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        loss = self.loss(batch)
        optimizers.descend(loss)
        return loss


@pytest.mark.parametrize("clip", ["", "training.optimizer={lr=0.05, clip_norm=0.1}"])
def test_the_usual_step_taken_by_the_method_is_the_usual_one(clip: str, start: Starter) -> None:
    usual, own = (start(kind, *filter(None, [clip])) for kind in (Probe, Same))
    for run in (usual, own):
        trainer.train_epoch(run)
    assert torch.equal(weights(usual), weights(own))
    assert usual.health.state_dict() == own.health.state_dict()
    assert own.position.rate == usual.position.rate and own.position.step == 4


class Alternating(Probe):
    """One group in even steps, the other in odd ones; the third in none, though it has a gradient."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        parts = list(self.network.blocks)
        return [
            {"name": "body", "params": [p for part in parts[:-1] for p in part.parameters()]},
            {"name": "weight", "params": [parts[-1].weight]},
            {"name": "bias", "params": [parts[-1].bias]},
        ]

    def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        loss = self.loss(batch)
        optimizers.backward(loss)
        optimizers.step("body" if batch.step % 2 == 0 else "weight")
        return loss


def test_only_the_named_groups_move(start: Starter) -> None:
    run = start(Alternating)
    before = {name: value.clone() for name, value in run.method.named_parameters()}
    seen: list[set[str]] = []

    def look(progress: float) -> None:
        now = dict(run.method.named_parameters())
        seen.append({name for name in before if not torch.equal(before[name], now[name])})
        before.update({name: value.detach().clone() for name, value in now.items()})

    run.beat = look
    trainer.train_epoch(run)
    last = len(run.method.network.blocks) - 1  # type: ignore[arg-type]
    assert f"network.blocks.{last}.weight" not in seen[0] and len(seen[0]) > 1
    assert seen[1] == {f"network.blocks.{last}.weight"}
    assert len(seen) == 4 and all(f"network.blocks.{last}.bias" not in moved for moved in seen)


def test_the_gradients_of_several_updates_count_together(start: Starter) -> None:
    class Twice(Same):
        def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
            loss = self.loss(batch)
            optimizers.backward(loss, retain_graph=True)
            optimizers.step()
            optimizers.step()
            return loss

    once, twice = start(Same), start(Twice)
    for run in (once, twice):
        run.beat = lambda progress: (_ for _ in ()).throw(InterruptedError)
        with pytest.raises(InterruptedError):
            trainer.train_epoch(run)
    lengths = [float(run.health.gradients[0]) for run in (once, twice)]
    assert lengths[1] == pytest.approx(math.sqrt(2) * lengths[0])


def test_a_step_that_moves_nothing_is_skipped(start: Starter) -> None:
    class Idle(Same):
        def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
            loss = self.loss(batch)
            if batch.step % 2:
                optimizers.descend(loss)
            else:
                assert not optimizers.descend(loss.detach())
            return loss

    run = start(Idle)
    trainer.train_epoch(run)
    assert run.health.epochs["skipped"] == [0.5]


def test_a_step_that_is_not_finite_fails_the_run(start: Starter) -> None:
    class Broken(Same):
        def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
            loss = self.loss(batch)
            optimizers.descend(loss * float("nan"))
            return loss

    with pytest.raises(FloatingPointError, match="step 1"):
        trainer.train_epoch(start(Broken))


def test_a_wrong_group_is_told(start: Starter) -> None:
    class Misspelt(Alternating):
        def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
            optimizers.rate("wieght")
            return self.loss(batch)

    with pytest.raises(MethodError, match="unknown parameter group 'wieght'; did you mean 'weight'"):
        trainer.train_epoch(start(Misspelt))


def test_what_is_no_scalar_is_refused(start: Starter) -> None:
    class Wide(Same):
        def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
            return torch.zeros(3)

    with pytest.raises(ValueError, match=r"Wide.step returned shape \(3,\)"):
        trainer.train_epoch(start(Wide))


def test_sam_is_refused_when_it_is_planned_and_in_a_stage(bilevel: str, start: Starter) -> None:
    with pytest.raises(UserError, match=r"methods.bilevel: key 'optimizer.sam': the method takes its steps itself"):
        specification(bilevel, TRUSTED, "training.optimizer.sam=0.1")
    with pytest.raises(MethodError, match=r"key 'optimizer.sam'"):
        trainer.train_epoch(start(Same, "training.optimizer.sam=0.1"))


def test_the_bilevel_example_learns_and_says_why_it_is_not_captured(bilevel: str) -> None:
    given = specification(bilevel, TRUSTED, "training.epochs=4")
    run, _ = build_run(given, prepare(given, None), torch.device("cpu"), capture="trace")
    before = [p.detach().clone() for p in run.method.weighting.parameters()]  # type: ignore[union-attr, operator]
    for _ in range(4):
        trainer.train_epoch(run)
    after = list(run.method.weighting.parameters())  # type: ignore[union-attr, operator]
    assert not any(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert run.captured is not None
    assert (run.captured.replayed, run.captured.reason) == (0, "the method takes its steps itself")


@pytest.mark.parametrize("bits", ["fp32", "bf16"])
def test_a_bilevel_run_goes_on_bit_identically(bilevel: str, bits: str) -> None:
    given = specification(bilevel, TRUSTED, f"training.precision={bits}", "training.optimizer.clip_norm=1.0")
    whole, cut, resumed = (started(given)[0] for _ in range(3))
    for _ in range(3):
        trainer.train_epoch(whole)
    trainer.train_epoch(cut)
    trainer.load_state_dict(resumed, copy.deepcopy(trainer.state_dict(cut)))
    for _ in range(2):
        trainer.train_epoch(resumed)
    assert torch.equal(weights(whole), weights(resumed))


def test_the_bilevel_example_passes_what_is_checked_of_methods(bilevel: str) -> None:
    wanted = ("loss", "gradients", "truth", "state", "resume", "cost", "same_seed", "precision", "batches")
    found = run_checks(Subject(bilevel), wanted)
    assert {result.check: result.seen for result in found if result.status == "failed"} == {}


@pytest.mark.parametrize("kind", [kind.name for kind in OPTIMIZERS])
def test_a_parameter_may_get_its_first_gradient_later(kind: str, start: Starter) -> None:
    """torch's fused SGD wants the momenta of all or of none."""

    class Late(Probe):
        def loss(self, batch: Batch) -> Tensor:
            for name, parameter in self.network.named_parameters():
                parameter.requires_grad_("bias" not in name or batch.step > 1)
            return super().loss(batch)

    run = start(Late, f"training.optimizer={{name='{kind}', lr=0.01}}")
    trainer.train_epoch(run)
    assert weights(run).isfinite().all()


def test_late_momentum_starts_at_the_first_gradient() -> None:
    first, later = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    made = OPTIMIZERS["sgd"].build(
        [{"params": [first, later], "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "nesterov": False}], True, False
    )
    for number in range(3):
        first.grad = torch.ones(3)
        later.grad = None if number == 0 else torch.ones(3)
        made.step()
    assert F.mse_loss(later, torch.full((3,), 1 - 0.1 * (1 + 1.9))) < 1e-12
