"""What the authors of mixup trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "noise": ("clean",), "hyper": {"alpha": 1.0},
        "training": {
            "epochs": 200, "optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 1e-4},
            "schedule": {"name": "multi_step", "milestones": [100, 150], "factor": 0.1, "update": "epoch"},
        },
        "source": "facebookresearch/mixup-cifar10",
    },
)  # fmt: skip
