"""What the authors of CORES2* trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HYPER = {
    "warm_up": 10, "ramp": 30, "select_after": 31, "sieve": 41, "consistency_batch": 320, "rest_batch": 160,
    "authors_behaviour": True,
}  # fmt: skip
_TRAINING = {
    "network": "resnet34", "epochs": 1641, "batch_size": 64,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0},
    "schedule": {"name": "constant"},
    "augmentation": {"strong": "autoaugment_cifar10"},
}  # fmt: skip
_SOURCE = (
    "haochenglouis/cores, phase1.py: ResNet-34, batch 64, lr .1, plain SGD, beta 0 for 10 epochs, to 2 over 30; "
    "phase2/confs/*.yaml: 1600 epochs, batches of 320 and 160, lr .001 warmed up 300 times over 120 epochs, cosine, "
    "AutoAugment and cut-out 16"
)
_DEVIATIONS = (
    "hyper.sieve, hyper.consistency: after which epoch the sieve is kept, and the weight of consistency on CIFAR-N, "
    "were not found: 41 and .4 are inferred",
)

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": _HYPER, "training": _TRAINING, "source": _SOURCE, "deviations": _DEVIATIONS},
    {"dataset": "cifar100", "hyper": _HYPER, "training": _TRAINING, "source": _SOURCE, "deviations": _DEVIATIONS},
)
