"""What the authors of SSR trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "MrChenFeng/SSR_BMVC2022, its scripts"
_CIFAR = {
    "network": "preact_resnet18", "epochs": 300, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "cosine", "minimum": 4e-4, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True, "strong": "autoaugment_cifar10_ssr"},
}  # fmt: skip
_HYPER: dict[str, Any] = {"theta_s": 1.0, "theta_r": 0.9, "neighbours": 200, "alpha": 4.0}

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": _HYPER, "training": _CIFAR, "source": _SOURCE},
    {
        "dataset": "cifar100", "noise": ("symmetric",), "rates": (0.5, 0.8, 0.9), "hyper": {**_HYPER, "theta_r": 0.8},
        "training": _CIFAR, "source": _SOURCE,
    },
    {"dataset": "cifar100", "hyper": _HYPER, "training": _CIFAR, "source": _SOURCE},
    {
        "dataset": "mini_webvision", "hyper": {"theta_r": 0.95}, "source": _SOURCE,
        "training": {
            "network": "inception_resnet_v2", "epochs": 150, "batch_size": 32,
            "optimizer": {"name": "sgd", "lr": 0.01, "weight_decay": 1e-4},
            "schedule": {"name": "multi_step", "milestones": [50, 100], "factor": 0.1, "update": "epoch"},
        },
    },
    {
        "dataset": "clothing1m", "hyper": {"theta_r": 0.99}, "source": _SOURCE,
        "training": {
            "network": "resnet50", "pretrained": True, "epochs": 150, "batch_size": 32,
            "optimizer": {"name": "sgd", "lr": 0.002, "weight_decay": 1e-3},
        },
    },
    {
        "dataset": "animal10n", "hyper": {"theta_r": 0.95}, "source": _SOURCE,
        "training": {"epochs": 150, "batch_size": 128, "optimizer": {"name": "sgd", "lr": 0.02}},
    },
)  # fmt: skip
