"""What the authors of PLC trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "pxiangwu/PLC, its scripts"
_CIFAR: dict[str, Any] = {
    "hyper": {"delta": 0.3, "increment": 0.1, "warm_up": 8, "window": 5},
    "training": {
        "network": "preact_resnet34", "epochs": 180, "batch_size": 128,
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
        "schedule": {"name": "multi_step", "milestones": [40, 80], "factor": 0.5, "update": "epoch"},
        "augmentation": {"crop_padding": 4, "flip": True},
    },
    "source": "pxiangwu/PLC, its scripts: the best epoch on 5,000 noisy validation labels",
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10"} | _CIFAR,
    {"dataset": "cifar100"} | _CIFAR,
    {
        "dataset": "clothing1m", "hyper": {"warm_up": 1, "least": 0.1}, "source": _SOURCE,
        "training": {
            "network": "resnet50", "pretrained": True, "epochs": 15, "batch_size": 32,
            "optimizer": {"name": "sgd", "lr": 1e-3},
            "schedule": {"name": "multi_step", "milestones": [6, 11], "factor": 0.5, "update": "epoch"},
        },
    },
    {
        "dataset": "food101n", "hyper": {"warm_up": 4, "window": 4, "delta": 0.1, "increment": 0.05},
        "source": _SOURCE,
        "training": {
            "network": "resnet50", "pretrained": True, "epochs": 30, "batch_size": 32,
            "optimizer": {"name": "sgd", "lr": 0.002, "momentum": 0.0, "weight_decay": 1e-3},
            "schedule": {"name": "multi_step", "milestones": [10, 20], "update": "epoch"},
        },
        "deviations": ("schedule: the factor was not read: here a tenth",),
    },
    {
        "dataset": "animal10n", "hyper": {"warm_up": 40, "window": 10, "delta": 0.3}, "source": _SOURCE,
        "training": {
            "network": "vgg19_bn", "epochs": 100, "batch_size": 128,
            "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 1e-3},
            "schedule": {"name": "multi_step", "milestones": [50, 75], "factor": 0.2, "update": "epoch"},
        },
    },
)  # fmt: skip
