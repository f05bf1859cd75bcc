"""Limits in which a method is cross-entropy, and plain float64 loops: both through the trainer, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import reference_loops
import torch
from torch import Tensor, nn

from bench.checks.problem import Problem, Training, start

SHORT = Problem(samples=40, epochs=3)
CLEAN = Problem(samples=40, epochs=3, noise=0.0)
Networks = Callable[[Any], nn.Module]


def weights_by_step(training: Training, of: Networks) -> list[Tensor]:
    """All parameters of a network as one vector, after every step."""
    found: list[Tensor] = []
    network = of(training.run.method)
    training.run.beat = lambda progress: found.append(
        torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    )
    training.train()
    return found


def only(method: Any) -> nn.Module:
    return method.network


def first(method: Any) -> nn.Module:
    return method.pair[0]


def second(method: Any) -> nn.Module:
    return method.pair[1]


def assert_same_path(one: list[Tensor], other: list[Tensor], steps: int | None = None, tolerance: float = 2e-6) -> None:
    assert len(one) >= (steps or 1) and (steps is not None or len(one) == len(other))
    for number, (a, b) in enumerate(zip(one[:steps], other[:steps], strict=True)):
        worst = float((a - b).abs().max())
        assert worst <= tolerance, f"step {number + 1}: weights are off by {worst:.2g}"
    assert float((one[0] - one[-1]).abs().max()) > 100 * tolerance, "nothing was learnt"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


# name of the limit: method, hyper-parameters, problem, which network
LIMITS: dict[str, tuple[str, Mapping[str, Any], Problem, Networks]] = {
    "elr, no penalty": ("elr", {"penalty": 0.0}, SHORT, only),
    "forward correction, T = I": ("forward_correction", {}, CLEAN, only),
    "backward correction, T = I": ("backward_correction", {}, CLEAN, only),
    "bootstrap soft, b = 1": ("bootstrap_soft", {"beta": 1.0}, SHORT, only),
    "bootstrap hard, b = 1": ("bootstrap_hard", {"beta": 1.0}, SHORT, only),
    "selc before its start": ("selc", {"start": 3}, SHORT, only),
    "selc, targets that never move": ("selc", {"start": 0, "momentum": 1.0}, SHORT, only),
    "car, h = 1": (
        "car",
        {"confidence": "one", "auxiliary": 0.0, "correct_targets": False, "target_floor": 0.0},
        SHORT,
        only,
    ),
    "nal, h = 1": ("nal", {"confidence": "one", "correct_targets": False, "target_floor": 0.0}, SHORT, only),
    "label smoothing, r = 0": ("label_smoothing", {"rate": 0.0}, SHORT, only),
    "label smoothing in its warm-up": ("label_smoothing", {"rate": -1.0, "warm_up": 3}, SHORT, only),
    "sce, beta = 0, alpha = 1": ("sce", {"alpha": 1.0, "beta": 0.0}, SHORT, only),
    "cores before its regulariser": ("cores", {"warm_up": 3, "select_after": 3}, SHORT, only),
    "cores, beta = 0": ("cores", {"beta": 0.0, "select_after": 3}, SHORT, only),
    "cores*, all sieve": ("cores_star", {"beta": 0.0, "select_after": 3, "sieve": 3}, SHORT, only),
    "cdr, rate 0": ("cdr", {"rate": 0.0}, SHORT, only),
    "co-teaching, nothing forgotten": ("co_teaching", {"forget_rate": 0.0}, SHORT, first),
    "co-teaching+ in its warm-up": ("co_teaching_plus", {"forget_rate": 0.0, "warm_up": 3}, SHORT, first),
    "jocor, no agreement": ("jocor", {"forget_rate": 0.0, "agreement": 0.0}, SHORT, first),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_limit_follows_cross_entropy(limit: str) -> None:
    name, hyper, problem, of = LIMITS[limit]
    plain = weights_by_step(start("cross_entropy", problem), only)
    assert_same_path(weights_by_step(start(name, problem, hyper), of), plain)


@pytest.mark.parametrize(("name", "hyper"), [("co_teaching", {}), ("jocor", {"agreement": 0.0})])
def test_second_network_follows_cross_entropy_from_its_own_start(name: str, hyper: dict[str, Any]) -> None:
    plain = start("cross_entropy", SHORT)
    plain.run.method.network.load_state_dict(plain.run.task.network(1).state_dict())
    pair = start(name, SHORT, {"forget_rate": 0.0, **hyper})
    assert_same_path(weights_by_step(pair, second), weights_by_step(plain, only))


def test_sce_without_reverse_term_is_scaled_cross_entropy() -> None:
    """Without weight decay, alpha acts as a factor on the learning rate."""
    plain, scaled = start("cross_entropy", SHORT), start("sce", SHORT, {"alpha": 0.25, "beta": 0.0})
    plain.run.spec.optimizer.update(weight_decay=0.0, lr=0.25 * SHORT.learning_rate)  # type: ignore[attr-defined]
    scaled.run.spec.optimizer.update(weight_decay=0.0)  # type: ignore[attr-defined]
    assert_same_path(weights_by_step(scaled, only), weights_by_step(plain, only))


@pytest.mark.parametrize("name", ["forward_correction_estimated", "backward_correction_estimated"])
def test_estimation_is_cross_entropy(name: str) -> None:
    """Before the matrix is known; the schedule is that of the stage, so it has to be constant here."""
    plain, estimating = start("cross_entropy", SHORT), start(name, SHORT, {"estimate_epochs": 2})
    for training in (plain, estimating):
        training.run.spec.schedule["name"] = "constant"  # type: ignore[index]
    steps = 2 * len(range(0, SHORT.samples, SHORT.batch_size))
    assert_same_path(weights_by_step(estimating, only), weights_by_step(plain, only), steps)


def test_pes_before_its_refinement_is_cross_entropy() -> None:
    plain, stopping = start("cross_entropy", SHORT), start("pes", SHORT, {"warm_up": 3})
    assert_same_path(weights_by_step(stopping, only), weights_by_step(plain, only))


def test_gce_approaches_cross_entropy() -> None:
    """(1 - p^q) / q = -log p (1 + q log p / 2 + ...): the paths part by about q."""
    plain = weights_by_step(start("cross_entropy", SHORT), only)
    parts = [
        float((weights_by_step(start("gce", SHORT, {"q": q}), only)[-1] - plain[-1]).abs().max()) for q in (0.001, 0.1)
    ]
    assert parts[0] < 5e-3 and parts[0] < parts[1] / 10


@pytest.mark.parametrize("name", reference_loops.LOOPS)
def test_trajectory(name: str) -> None:
    reference_loops.assert_follows(name, name)
