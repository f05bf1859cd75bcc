"""CAR's branch: where its logit comes from, what bounds it, and what `authors_behaviour` switches."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import registries
import torch
import torch.nn.functional as F
from golden_support import StubTask, make, make_batch
from loss_inputs import CLASSES, draw, onehot
from small_runs import specification, started
from torch import Tensor, nn

from bench.networks import NETWORKS, NetworkInfo
from bench.networks.network import TwoHeads
from bench.training.trainer import train_epoch
from methods import registry
from methods.base import Method
from methods.car import car_loss, car_terms

NAMES = ("car", "nal")


def car(name: str = "car", **hyper: Any) -> Method:
    _, labels = draw()
    return make(name, StubTask(labels.tolist(), CLASSES), **hyper)


def gate(method: Any, features: Tensor) -> Tensor:
    method.indicator = torch.nn.Linear(features.shape[1], 1)
    found: Tensor = method.gate(features, torch.zeros(len(features), CLASSES), torch.zeros(len(features), CLASSES))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_length_of_features_does_not_move_the_logit(name: str) -> None:
    torch.manual_seed(0)
    method, features = car(name), torch.randn(6, 5)
    found = gate(method, features)
    weights = method.indicator
    again: Tensor = method.gate(1e4 * features, features, features)  # type: ignore[operator]
    torch.testing.assert_close(found, again)
    inside = F.normalize(features) @ weights.weight[0].detach() + weights.bias.detach()  # type: ignore[union-attr, index, operator]
    torch.testing.assert_close(found, 10 * torch.tanh(inside / 10))


@pytest.mark.parametrize("weight", [1e3, -1e6])
def test_the_logit_is_bounded_whatever_the_weights(weight: float) -> None:
    method = car(logit_bound=4.0)
    gate(method, torch.ones(3, 2))
    torch.nn.init.constant_(method.indicator.weight, weight)  # type: ignore[union-attr, arg-type]
    found: Tensor = method.gate(torch.ones(3, 2), torch.zeros(3, CLASSES), torch.zeros(3, CLASSES))  # type: ignore[operator]
    assert bool((found.abs() <= 4.0).all())


@pytest.mark.parametrize("flows", [False, True])
def test_the_branch_hands_a_gradient_to_the_network_only_if_asked(flows: bool) -> None:
    features = torch.randn(6, 5, requires_grad=True)
    found = gate(car(branch_gradient=flows), features)
    gradient = torch.autograd.grad(found.sum(), features, allow_unused=True)[0]
    assert (gradient is not None) == flows


def test_the_authors_branch_is_a_plain_linear_layer() -> None:
    features = torch.randn(6, 5, requires_grad=True)
    method = car(authors_behaviour=True)
    found = gate(method, features)
    torch.testing.assert_close(found, method.indicator(features)[:, 0])  # type: ignore[operator]
    assert torch.autograd.grad(found.sum(), features)[0].any()


@pytest.mark.parametrize(("name", "start"), [("car", 0.12), ("nal", 60)])
def test_the_authors_defaults_are_resolved_into_the_specification(name: str, start: float) -> None:
    ours, theirs = registry.resolve(name, {}), registry.resolve(name, {"authors_behaviour": True})
    changed = {key: (ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]}
    assert changed == {
        "start": (0.6, start),
        "branch_features": ("unit", "plain"),
        "branch_gradient": (False, True),
        "logit_bound": (10.0, 0.0),
        "authors_behaviour": (False, True),
    }
    kept = registry.resolve(name, {"authors_behaviour": True, "start": 20})
    assert kept["start"] == 20 and kept["branch_features"] == "plain"  # what is given wins


def test_the_authors_table_is_clamped_only_after_its_first_update() -> None:
    """Between a start that is no update epoch and the next update epoch their loss is not a number; ours is."""
    _, labels = draw()
    for authors, finite in ((True, False), (False, True)):
        task = StubTask(labels.tolist(), CLASSES)
        method = make("nal", task, start=25, update_every=10, authors_behaviour=authors)
        seen = []
        for epoch in (24, 25, 30, 31):
            task.network().answers = [draw(epoch, dtype=torch.float32)[0].requires_grad_()]
            seen.append(math.isfinite(float(method.loss(make_batch(method, labels.tolist(), epoch=epoch)).detach())))
        assert seen == [True, finite, True, True]


@pytest.mark.parametrize("authors", [False, True])
def test_the_terms_add_up_to_the_loss(authors: bool) -> None:
    logits, labels = draw()
    targets = onehot(labels).clamp_min(1e-4)
    terms = car_terms(logits, targets, logits[:, 1], 10.0, 0.1, authors)
    assert list(terms) == ["interpolated_cross_entropy", "confidence_penalty", "auxiliary"]
    whole = car_loss(logits, targets, logits[:, 1], 10.0, 0.1, authors)
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(0).mean(), whole)
    without = car_terms(logits, targets, logits[:, 1], 0.0, 0.0, authors)
    assert not without["confidence_penalty"].any() and not without["auxiliary"].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_run_ends_with_logits_in_range_and_says_what_its_loss_was_made_of(name: str) -> None:
    run, _ = started(specification(name, "training.optimizer.lr=3.0"))  # thirty times the usual rate
    for _ in range(3):
        train_epoch(run)
    scores = run.method.clean_scores()
    assert scores is not None and bool(scores.isfinite().all()) and bool((scores.abs() <= 10.0).all())
    assert set(run.health._terms) == {"interpolated_cross_entropy", "confidence_penalty", "auxiliary"}


def test_a_deep_branch_has_three_layers_of_its_own_where_the_network_has_no_head() -> None:
    run, _ = started(specification("car", "methods.car.hyper.branch=deep"))
    method: Any = run.method
    width = method.network.feature_size
    layers = [layer for layer in method.indicator if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(width, width), (width, width), (width, 1)]
    features = torch.randn(6, width)
    found = method.gate(features, torch.zeros(6, 10), torch.zeros(6, 10))
    inside = method.indicator(F.normalize(features))[:, 0]
    torch.testing.assert_close(found, 10 * torch.tanh(inside / 10))
    before = [layer.weight.clone() for layer in layers]
    train_epoch(run)
    assert not any(torch.equal(layer.weight, weight) for layer, weight in zip(layers, before, strict=True))


def two_heads(num_classes: int, image_shape: tuple[int, int, int]) -> TwoHeads:
    body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), 16), nn.ReLU())
    blocks = [body, nn.Sequential(nn.Linear(16, 8), nn.ReLU()), nn.Linear(8, num_classes)]
    return TwoHeads(blocks, nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 1)), shared=1)


@pytest.mark.parametrize("branch", ["deep", "linear"])
def test_a_deep_branch_is_the_networks_own_head_where_it_has_one(branch: str) -> None:
    with registries.as_before():
        NETWORKS.add(NetworkInfo("two_heads", "Two heads", "for a test", two_heads, (1, 8, 8)), Path("two_heads.py"))
        run, _ = started(
            specification("car", f"methods.car.hyper.branch={branch}", 'training.network="two_heads"')
        )  # fmt: skip
        method: Any = run.method
        head = method.network.confidence_head
        before = head[0].weight.clone()
        train_epoch(run)
    assert hasattr(method, "indicator") == (branch == "linear")
    assert torch.equal(head[0].weight, before) == (branch == "linear")
    assert method.confidence_logits.unique().numel() > 1


DEEP = "methods.car.hyper.branch=deep"
PLAIN, UNIT = (f"methods.car.hyper.branch_features={word}" for word in ("plain", "unit"))
AUTHORS, ONE = "methods.car.hyper.authors_behaviour=true", 'methods.car.hyper.confidence="one"'


@pytest.mark.parametrize("network", ["two_heads", "digits_cnn"])
@pytest.mark.parametrize(
    ("settings", "counts"),
    [((DEEP, PLAIN), False), ((DEEP, AUTHORS, UNIT), False), ((DEEP,), True), ((DEEP, UNIT), True),
     ((DEEP, AUTHORS), True), ((DEEP, AUTHORS, PLAIN), True), ((PLAIN,), True), ((DEEP, PLAIN, ONE), True)],
)  # fmt: skip
def test_features_of_a_branch_that_is_the_networks_own_head_are_refused(
    settings: tuple[str, ...], counts: bool, network: str
) -> None:
    with registries.as_before():
        info = NetworkInfo("two_heads", "Two heads", "for a test", two_heads, (1, 8, 8), confidence_head=True)
        NETWORKS.add(info, Path("two_heads.py"))
        if counts or network == "digits_cnn":
            specification("car", *settings, f'training.network="{network}"')
            return
        with pytest.raises(registry.MethodError, match=r"'branch_features' = '\w+': does not count with "):
            specification("car", *settings, f'training.network="{network}"')


def test_such_a_row_is_refused_before_anything_is_written(refused: Callable[..., str]) -> None:
    line = refused("run", "animal10n", "--set", "methods.nal.hyper.branch_features=unit")
    assert "methods.nal: hyper-parameter 'branch_features' = 'unit': does not count with branch = 'deep'" in line
    assert "the network 'vgg19_bn_two_heads' has a head of its own" in line


def test_the_branch_came_later_and_is_no_part_of_old_specifications() -> None:
    assert "branch" not in specification("car").method.hyper
    assert specification("car", "methods.car.hyper.branch=deep").method.hyper["branch"] == "deep"
