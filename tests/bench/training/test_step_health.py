"""Health of a run as its steps tell it: what is measured, what is said of a run that is not finite any more."""

from __future__ import annotations

import math

import pytest
import torch

from bench.checks.problem import Problem, start
from bench.training import optim_build
from bench.training.health import ROOM, StepHealth
from bench.training.task import NotCapturable


def steps(health: StepHealth, losses: list[float], gradients: list[float | None] | None = None) -> None:
    for number, loss in enumerate(losses):
        length = gradients[number] if gradients else 1.0
        health.add_step(torch.tensor(loss), None if length is None else torch.tensor(length))
        health.count_step()


def test_medians_and_largest_steps_of_each_epoch_and_of_the_run() -> None:
    health = StepHealth(torch.device("cpu"))
    steps(health, [3.0, 1.0, 2.0], [5.0, 1.0, 3.0])
    health.end_epoch()
    steps(health, [1.0, 9.0, -10.0], [2.0, None, 0.0])  # a loss may be negative; two steps were skipped
    health.end_epoch()
    assert health.epochs == {
        "loss_median": [2.0, 1.0],
        "loss_largest": [3.0, -10.0],
        "gradient_median": [3.0, 2.0],
        "gradient_largest": [5.0, 2.0],
        "skipped": [0.0, pytest.approx(2 / 3, abs=1e-6)],
    }
    found = health.summary()
    assert found["loss"] == {"median": 1.5, "largest": -10.0, "largest_epoch": 2}
    assert found["gradient"] == {"median": 2.5, "largest": 5.0, "largest_epoch": 1}
    assert found["skipped"] == pytest.approx(1 / 3, abs=1e-6)


def test_an_epoch_without_steps() -> None:
    health = StepHealth(torch.device("cpu"))
    health.end_epoch()
    assert health.summary()["loss"] == {"median": 0.0, "largest": 0.0, "largest_epoch": 1}
    assert health.summary()["skipped"] == 1.0


def test_of_a_long_epoch_the_last_steps_are_kept() -> None:
    health = StepHealth(torch.device("cpu"))
    steps(health, [100.0] * 3 + [1.0] * ROOM)
    health.end_epoch()
    assert health.epochs["loss_largest"] == [1.0]
    steps(health, [7.0])
    health.end_epoch()
    assert health.epochs["loss_median"] == [1.0, 7.0]  # the next epoch starts from nothing


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_step_that_is_not_finite_is_named_with_the_terms_of_its_loss(value: float) -> None:
    health = StepHealth(torch.device("cpu"))
    steps(health, [1.0])
    health.end_epoch()
    for number, penalty in enumerate([1.0, 50.0, value, value]):
        health.add_terms(cross_entropy=torch.tensor(2.0), penalty=torch.tensor(penalty))
        steps(health, [2.0 + penalty], [8.0 if number == 1 else 3.0])
    with pytest.raises(FloatingPointError) as caught:
        health.end_epoch()
    told = str(caught.value)
    assert told.startswith(
        f"the training loss is not finite at step 3 of epoch 2 (loss {value:.3g}, penalty {value:.3g}, "
    )
    assert "the step before: loss 52, penalty 50, cross_entropy 2, gradient's length 8" in told
    assert told.endswith("a lower learning rate or a warm-up usually helps")
    assert "\n" not in told


def test_a_gradient_that_is_not_finite_ends_the_run_too() -> None:
    health = StepHealth(torch.device("cpu"))
    steps(health, [1.0, 2.0], [math.inf, 1.0])
    with pytest.raises(FloatingPointError, match=r"at step 1 of epoch 1 \(loss 1, gradient's length inf\); a lower"):
        health.end_epoch()


def test_a_step_that_is_recorded_reports_known_terms_only() -> None:
    health = StepHealth(torch.device("cpu"))
    health.add_terms(penalty=torch.tensor(1.0))
    health.add_known_terms(penalty=torch.tensor(2.0))
    with pytest.raises(NotCapturable, match="other terms of its loss"):
        health.add_known_terms(distance=torch.tensor(2.0))


def test_a_run_that_is_resumed_goes_on_with_what_it_has_measured() -> None:
    first, second = StepHealth(torch.device("cpu")), StepHealth(torch.device("cpu"))
    steps(first, [1.0, 3.0])
    first.end_epoch()
    first.saturated = {"h": 0.25}
    second.load_state_dict(first.state_dict())
    for health in (first, second):
        steps(health, [5.0])
        health.end_epoch()
    assert first.summary() == second.summary()
    assert second.summary()["saturated"] == {"h": 0.25}


def test_a_step_in_which_no_parameter_has_a_gradient_was_skipped() -> None:
    """A loss may need a gradient and hand none to what the optimiser holds."""
    group = {"params": [torch.nn.Parameter(torch.ones(2))]}
    settings = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0, "clip_norm": None}
    schedule = {"name": "constant", "warmup": 0, "update": "step"}
    made = optim_build.build([group], settings, schedule, 0, 1)
    assert made.gradient_norm() is None
    group["params"][0].grad = torch.tensor([3.0, 4.0])
    norm = made.gradient_norm()
    assert norm is not None and float(norm) == 5.0


def test_elr_names_the_terms_of_its_loss() -> None:
    training = start("elr", Problem(epochs=2))
    told: dict[str, list[float]] = {"cross_entropy": [], "regulariser": []}
    health, losses = training.run.health, list[float]()
    own_terms, own_step = health.add_terms, health.add_step

    def add_terms(**terms: torch.Tensor) -> None:
        own_terms(**terms)
        for name, value in terms.items():
            told[name].append(float(value.detach()))

    def add_step(loss: torch.Tensor, gradient: torch.Tensor | None) -> None:
        own_step(loss, gradient)
        losses.append(float(loss.detach()))

    health.add_terms, health.add_step = add_terms, add_step  # type: ignore[method-assign]
    training.train()
    assert all(regulariser <= 0 for regulariser in told["regulariser"])
    sums = [sum(parts) for parts in zip(*told.values(), strict=True)]
    assert len(losses) == 8
    assert sums == pytest.approx(losses, rel=1e-5)
