"""`show`: all there is to a name, whatever it is the name of."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from command_line import Command

from bench import networks
from bench.planning import suite
from datasets import noise_models, registry
from methods import registry as methods


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ELR", ["ELR (elr)", "penalty", "shengliu66/ELR"]),
        (
            "cifar10-lite",
            ["CIFAR-10 lite (suite cifar10-lite)", "small_cnn", "symmetric 40%", "list rows cifar10-lite"],
        ),
        ("preact_resnet18", ["PreAct-ResNet-18 (network", "11171274", "facebookresearch/mixup-cifar10"]),
        ("digits", ["Digits (data set digits)", "1397"]),
        ("symmetric", ["(noise model symmetric)", "takes a rate", "sampling"]),
        ("car", ["(car)", "\n\nCAR, as far as it is known (suite car)"]),
    ],
)
def test_each_kind_is_shown(command: Command, name: str, said: list[str]) -> None:
    ended = command("show", name)
    assert ended.status == 0, ended.err
    assert [words for words in said if words not in ended.out] == []


def test_everything_registered_can_be_shown(command: Command) -> None:
    names = {
        *suite.names(), *networks.NETWORKS.names, *registry.DATASETS.names, *methods.METHODS.names,
        *(model.info.name for model in noise_models.NOISE_MODELS),
    }  # fmt: skip
    for name in sorted(names):
        found = json.loads(command("show", name, "--json").out)
        assert name in {one["name"] for one in found}
        assert command("show", name).status == 0


def test_what_there_is_not_is_refused(refused: Callable[..., str]) -> None:
    assert "unknown name 'preact_resnet81'; did you mean 'preact_resnet18'?" in refused("show", "preact_resnet81")
