"""Heads that are asked for by size beside the class head: drawn apart, re-initialised and saved with the network."""

from __future__ import annotations

import copy

import pytest
import torch
from small_runs import Probe, Starter, specification, started, starter
from torch import Tensor

from bench.training import trainer
from bench.training.task import RunTask
from methods.base import Batch
from methods.heads import Head
from methods.hyper import MethodError

HEADS = {"projection": Head(16, hidden=32, batch_norm=True), "rotation": Head(4), "prediction": Head(16, inputs=16)}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Starter:
    return starter(monkeypatch)


@pytest.fixture(scope="module")
def task() -> RunTask:
    return started(specification("cross_entropy"))[0].task


class Headed(Probe):
    """Learns a head too."""

    def build(self) -> None:
        super().build()
        self.network = self.task.network(heads=HEADS)

    def loss(self, batch: Batch) -> Tensor:
        self.batches.append(batch)
        features = self.network.features(batch.views[0])
        projected = self.network.apply_head("projection", features)
        return super().loss(batch) + self.network.apply_head("prediction", projected).square().mean()


def test_each_head_gives_what_was_asked_for_and_leaves_the_network_as_it_is(task: RunTask) -> None:
    plain, network = task.network(), task.network(heads=HEADS)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])
    assert len(network.blocks) == len(plain.blocks)
    features = torch.randn(5, network.feature_size)
    projected = network.apply_head("projection", features)
    assert (projected.shape, projected.dtype) == ((5, 16), torch.float32)
    assert network.apply_head("rotation", features).shape == (5, 4)
    assert network.apply_head("prediction", projected).shape == (5, 16)


def test_a_heads_weights_follow_from_name_key_and_seed_alone(task: RunTask) -> None:
    one = task.network(heads=HEADS).further_heads["rotation"][0].weight  # type: ignore[index]
    alone = task.network(heads={"rotation": Head(4)}).further_heads["rotation"][0].weight  # type: ignore[index]
    other = task.network(1, heads=HEADS).further_heads["rotation"][0].weight  # type: ignore[index]
    assert torch.equal(one, alone) and not torch.equal(one, other)


def test_heads_are_drawn_anew_with_the_network(task: RunTask) -> None:
    network = task.network(heads=HEADS)
    before = {name: value.clone() for name, value in network.further_heads.named_parameters()}
    network.reinitialise(network, torch.Generator().manual_seed(3))
    after = dict(network.further_heads.named_parameters())
    assert all(not torch.equal(before[name], after[name]) for name in before if "0.1" not in name and ".1." not in name)


def test_heads_learn_and_come_back_from_a_checkpoint(start: Starter) -> None:
    whole, resumed = start(Headed), start(Headed)
    trainer.train_epoch(whole)
    trainer.load_state_dict(resumed, copy.deepcopy(trainer.state_dict(whole)))
    fresh = dict(start(Headed).method.named_parameters())
    moved = dict(resumed.method.named_parameters())
    assert not torch.equal(fresh["network.further_heads.projection.0.weight"],
                           moved["network.further_heads.projection.0.weight"])  # fmt: skip
    assert torch.equal(fresh["network.further_heads.rotation.0.weight"],
                       moved["network.further_heads.rotation.0.weight"])  # fmt: skip
    for run in (whole, resumed):
        trainer.train_epoch(run)
    last, again = dict(whole.method.named_parameters()), dict(resumed.method.named_parameters())
    assert all(torch.equal(last[name], again[name]) for name in last)


def test_bfloat16_stays_inside(start: Starter) -> None:
    network = start(Headed, "training.precision=bf16").task.network(heads=HEADS)
    assert network.apply_head("rotation", torch.randn(3, network.feature_size)).dtype == torch.float32


def test_what_cannot_be_is_refused(task: RunTask) -> None:
    network = task.network(heads=HEADS)
    with pytest.raises(MethodError, match="unknown head 'rotatoin'; did you mean 'rotation'"):
        network.apply_head("rotatoin", torch.zeros(2, network.feature_size))
    for settings in ({"outputs": 0}, {"outputs": 3, "hidden": -1}, {"outputs": 3, "batch_norm": True}):
        with pytest.raises(MethodError, match="Head"):
            Head(**settings)
