"""What an unofficial repository trained truncated GCE with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TRAINING: dict[str, Any] = {
    "network": "resnet34", "epochs": 120, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "schedule": {"name": "multi_step", "milestones": [40, 80], "factor": 0.1, "update": "epoch"},
}  # fmt: skip
_CIFAR100 = {"epochs": 150, "schedule": {**_TRAINING["schedule"], "milestones": [80, 120]}}
_SOURCE = (
    "AlanChou/Truncated-Loss (unofficial): q .7, k .5, pruning from epoch 40 (CIFAR-100: 80) every 10; lr .01, wd "
    "1e-4, 120 epochs divided by 10 at 40, 80; CIFAR-100 150 at 80, 120"
)

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": {"start": 40, "every": 10}, "training": _TRAINING, "source": _SOURCE},
    {"dataset": "cifar100", "hyper": {"start": 80, "every": 10}, "training": _TRAINING | _CIFAR100, "source": _SOURCE},
)
