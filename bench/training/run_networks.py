"""The networks of a run: built the same way for every method, from seeds that belong to the key alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from bench import networks
from bench.networks.network import Network, PassCounter
from bench.training.seeds import Streams
from common.specification import Precision
from methods.heads import Head


@dataclass(frozen=True)
class NetworkSettings:
    """How networks are built in a run."""

    name: str
    pretrained: bool
    image_shape: tuple[int, int, int]  # channels, height, width
    precision: Precision
    compiled: bool = False
    weights: Path | None = None


def built(
    settings: NetworkSettings,
    num_classes: int,
    streams: Streams,
    counter: PassCounter,
    key: int,
    heads: Mapping[str, Head],
) -> Network:
    """A fresh network on the CPU; same key and seed, same weights. heads: beside the class head, by name."""
    # Weights are drawn on the CPU. With the devices' generators among those kept, a run would make a context on
    # every device of the machine, and so would a run on the CPU.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(streams.seed("initialisation", key))
        network = networks.build(
            settings.name,
            num_classes,
            settings.image_shape,
            precision=settings.precision,
            channels_last=True,
            counter=counter,
            pretrained=settings.pretrained,
            compiled=settings.compiled,
            weights=settings.weights,
        )
        for name, head in heads.items():
            torch.default_generator.manual_seed(streams.seed(f"initialisation of head {name}", key))
            network.add_head(name, head)
    return network
