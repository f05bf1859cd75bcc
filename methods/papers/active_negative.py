"""What the authors of active negative losses trained them with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "Virusdoll/Active-Negative-Loss, its configurations"
_CIFAR10: dict[str, Any] = {
    "network": "apl_cnn", "epochs": 120, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.0, "clip_norm": 5.0},
    "schedule": {"name": "cosine", "minimum": 0.0, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_CIFAR100 = {
    **_CIFAR10, "network": "resnet34", "epochs": 200, "optimizer": {**_CIFAR10["optimizer"], "lr": 0.1},
}  # fmt: skip
_WEBVISION = {
    "network": "resnet50", "epochs": 250, "batch_size": 512,
    "optimizer": {"name": "sgd", "lr": 0.4, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "hyper": {"alpha": 5.0, "beta": 5.0, "delta": 5e-5}, "training": _CIFAR10,
        "source": _SOURCE,
    },
    {
        "dataset": "cifar100", "hyper": {"alpha": 10.0, "beta": 1.0, "delta": 5e-7}, "training": _CIFAR100,
        "source": _SOURCE, "deviations": ("augmentation: the authors turn images by up to 20 degrees too",),
    },
    {
        "dataset": "mini_webvision", "hyper": {"alpha": 20.0, "beta": 1.0, "delta": 5e-6}, "training": _WEBVISION,
        "source": _SOURCE,
        "deviations": ("schedule: the authors multiply the rate by .97 after each epoch, which no schedule here does",),
    },
)  # fmt: skip
