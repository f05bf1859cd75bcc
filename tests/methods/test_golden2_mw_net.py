"""Meta-Weight-Net against numbers of its authors' code (`NOISY_BENCH_GOLDEN2`): whole steps on a small model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from golden2_support import agree, cases_of
from golden_support import Case, Got, StubTask, make, make_batch
from torch import Tensor, nn

from bench.training import optim_build
from bench.training.own_steps import OwnSteps
from methods.mw_net import MetaWeightNet, WeightNet, loss_ahead
from methods.trusted import TrustedBatch


class Small(nn.Module):
    """The model of a case: one linear layer, or two with ReLU between; named as there."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__()
        for name in sorted({key.split(".")[0] for key in state}):
            rows, columns = torch.tensor(state[f"{name}.weight"]).shape
            setattr(self, name, nn.Linear(columns, rows))
        filled(self, state)

    def forward(self, images: Tensor) -> Tensor:
        *first, last = self.children()
        for layer in first:
            images = layer(images).relu()
        found: Tensor = last(images)
        return found


def filled(module: nn.Module, state: dict[str, Any]) -> None:
    module.load_state_dict({key: torch.tensor(value) for key, value in state.items()})


def told(step: dict[str, Any], dtype: torch.dtype = torch.float32) -> TrustedBatch:
    labels = torch.tensor(step["inputs"]["meta_labels"])
    return TrustedBatch((torch.tensor(step["inputs"]["meta_x"], dtype=dtype),), labels, torch.arange(len(labels)))


def meta_gradient(weigh: nn.Module, ahead: Tensor) -> dict[str, Tensor]:
    slopes = torch.autograd.grad(ahead, list(weigh.parameters()), retain_graph=True)
    return dict(zip(dict(weigh.named_parameters()), slopes, strict=True))


def decayed(settings: dict[str, Any]) -> float:
    """The rate of an epoch of their plan: a tenth at 80, and at 100."""
    return float(settings["lr"] * 0.1 ** sum(settings["epoch"] >= at for at in (80, 100)))


def mw_net_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    """The loss ahead and its gradient at each step's own start, which is the state after the step before."""
    settings, start = case["settings"], case["init_state"]
    for step in case["steps"]:
        model, weigh = Small(start["model"]), WeightNet(settings["hidden"], torch.Generator())
        filled(weigh, start["weight_net"])
        model, weigh = model.to(dtype), weigh.to(dtype)
        images, labels = torch.tensor(step["inputs"]["x"], dtype=dtype), torch.tensor(step["inputs"]["labels"])
        ahead = loss_ahead(model, weigh, images, labels, told(step, dtype), decayed(settings))
        before = weigh(F.cross_entropy(model(images), labels, reduction="none"))
        yield {"outputs": {"meta_loss": ahead, "grad": meta_gradient(weigh, ahead), "weights_before": before}}
        start = step["state"]


def mw_net_by_method(case: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[Got]:
    """Through the harness's own optimisers, which go on from step to step."""
    settings, start = case["settings"], case["init_state"]
    task: Any = StubTask([0], case["num_classes"], networks={0: Small(start["model"])})
    names = {"hidden": "hidden", "weight_lr": "meta_lr_adam", "weight_decay": "meta_weight_decay"}
    method = make("mw_net", task, **{ours: settings[theirs] for ours, theirs in names.items()})
    assert isinstance(method, MetaWeightNet)
    filled(method.weigh, start["weight_net"])
    sgd = {"name": "sgd", "lr": decayed(settings), "momentum": settings["momentum"], "nesterov": False}
    usual = {**sgd, "weight_decay": settings["weight_decay"], "clip_norm": None}
    optimizers = optim_build.build(
        method.parameter_groups(), usual, {"name": "constant", "warmup": 0, "update": "step"}, 0, 1
    )
    found: dict[str, Any] = {}

    def noting(*given: Any) -> Tensor:
        ahead = loss_ahead(*given)
        found.update(meta_loss=ahead.detach(), grad=meta_gradient(method.weigh, ahead))
        return ahead

    monkeypatch.setattr("methods.mw_net.loss_ahead", noting)
    for step in case["steps"]:
        images, labels = torch.tensor(step["inputs"]["x"]), torch.tensor(step["inputs"]["labels"])
        given = told(step)
        task.trusted = type("Told", (), {"batch": staticmethod(lambda size, given=given: given)})
        losses = F.cross_entropy(method.network(images), labels, reduction="none").detach()
        found["weights_before"] = method.weigh(losses)
        batch = replace(make_batch(method, labels.tolist()), views=(images,))
        optimizers.set_rates(0.0)
        loss = method.step(batch, OwnSteps(optimizers))
        outputs = {**found, "loss": loss, "weights_after": method.weigh(losses)}
        state = {"model": method.network.state_dict(), "weight_net": method.weigh.state_dict()}
        yield {"outputs": outputs, "state": state}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), cases_of("mwnet"))
def test_mw_net_by_function(file: str, case: Case, dtype: torch.dtype) -> None:
    bare = {**case, "steps": [{**step, "state": {}} for step in case["steps"]]}
    for step in case["steps"]:
        assert {"weights_after", "loss"} <= step["outputs"].keys()  # which the step through the method compares
    for number, got in enumerate(mw_net_by_function(case, dtype)):
        agree(file, one_step(bare, number), iter([got]), frozenset({"weights_after", "loss"}))


def one_step(case: Case, number: int) -> Case:
    return {**case, "steps": [case["steps"][number]]}


@pytest.mark.parametrize(("file", "case"), cases_of("mwnet"))
def test_mw_net_by_method(file: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(file, case, mw_net_by_method(case, monkeypatch))


# --- what is beyond the vectors


def test_looking_ahead_moves_no_statistics() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = TrustedBatch((torch.randn(4, 3),), torch.tensor([0, 1, 0, 1]), torch.arange(4))
    weigh = WeightNet(5, torch.Generator().manual_seed(0))
    loss = loss_ahead(network, weigh, torch.randn(6, 3), torch.tensor([0, 1, 1, 0, 1, 0]), batch, 0.5)
    assert all(slope.abs().sum() > 0 for slope in meta_gradient(weigh, loss).values())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_sample_that_harms_the_trusted_ones_loses_weight() -> None:
    network = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(network.weight)
    weigh = WeightNet(1, torch.Generator().manual_seed(0))
    trusted = TrustedBatch((torch.ones(2, 1),), torch.tensor([0, 0]), torch.arange(2))
    slopes = []
    for label in (0, 1):
        loss = loss_ahead(network, weigh, torch.ones(2, 1), torch.tensor([label, label]), trusted, 0.1)
        slopes.append(float(meta_gradient(weigh, loss)["linear2.bias"]))
    assert slopes[0] < 0 < slopes[1]  # descent raises the weights of the first, and lowers those of the second
