"""What the authors of LogitClip trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ENTRY: dict[str, Any] = {
    "hyper": {"threshold": 1.5, "order": 2.0},
    "training": {
        "network": "torchvision_resnet34", "epochs": 200, "batch_size": 128,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "schedule": {"name": "multi_step", "milestones": [80, 140], "factor": 0.1, "update": "epoch"},
        "augmentation": {"crop_padding": 4, "flip": True},
    },
    "source": "hongxin001/LogitClip; README: temperature 1.5",
    "deviations": (
        "hyper.threshold: the authors tuned it for each noise, and give one value; the last batch is kept, they leave "
        "it out",
    ),
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = ({"dataset": "cifar10"} | _ENTRY, {"dataset": "cifar100"} | _ENTRY)
