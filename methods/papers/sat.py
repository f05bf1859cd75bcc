"""What the authors of self-adaptive training trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ENTRY: dict[str, Any] = {
    "hyper": {"momentum": 0.9, "start": 60},
    "training": {
        "network": "resnet34", "epochs": 200, "batch_size": 256,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "schedule": {"name": "cosine", "minimum": 0.0, "update": "epoch"},
        "augmentation": {"crop_padding": 4, "flip": True},
    },
    "source": "LayneH/self-adaptive-training, on all 50,000 images",
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = ({"dataset": "cifar10"} | _ENTRY, {"dataset": "cifar100"} | _ENTRY)
