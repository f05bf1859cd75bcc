"""What the authors of JoCoR trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from methods.papers.co_teaching import PROTOCOL

_SOURCE = (
    "hongxin001/JoCoR, main.py, model/cnn.py: 6 convolutions, Adam 1e-3, linear to 0 from epoch 80 of 200, beta1 .1 "
    "then, batch 128, no augmentation; README: lambda .9 (80%: .65; CIFAR-100: .85)"
)
_SYMMETRIC = ("symmetric", "symmetric_excluding")
_PROTOCOL: dict[str, Any] = {
    "training": {**PROTOCOL, "network": "jocor_cnn"}, "source": _SOURCE,
    "deviations": (
        "images are normalised by mean and deviation, the authors' lie in [0, 1]; the last batch is kept; the authors' "
        "loop leaves out the first of its 200 epochs, here all are trained",
    ),
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.8,), "hyper": {"agreement": 0.65}} | _PROTOCOL,
    {"dataset": "cifar10", "hyper": {"agreement": 0.9}} | _PROTOCOL,
    {"dataset": "cifar100", "hyper": {"agreement": 0.85}} | _PROTOCOL,
)
