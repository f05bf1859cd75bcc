"""What the authors of Meta-Weight-Net trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ENTRY: dict[str, Any] = {
    "hyper": {"hidden": 100, "weight_lr": 1e-3, "weight_decay": 1e-4, "trusted_batch": 100},
    "training": {
        "network": "resnet32", "epochs": 120, "batch_size": 100,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "schedule": {"name": "multi_step", "milestones": [80, 100], "factor": 0.1, "update": "epoch"},
        "augmentation": {"crop_padding": 4, "padding_mode": "reflect", "flip": True},
    },
    "source": "xjtushujun/meta-weight-net, MW-Net.py: 1000 trusted samples, of each class as many",
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = ({"dataset": "cifar10"} | _ENTRY, {"dataset": "cifar100"} | _ENTRY)
