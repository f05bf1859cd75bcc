"""What the authors of active-passive losses trained NCE and RCE with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "HanxunH/Active-Passive-Losses, its configurations"
_PROTOCOL: dict[str, Any] = {
    "network": "apl_cnn", "epochs": 120, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.01, "weight_decay": 1e-4, "clip_norm": 5.0},
    "schedule": {"name": "cosine", "minimum": 0.0, "update": "epoch"},
}  # fmt: skip
_CIFAR100 = {
    "epochs": 200, "batch_size": 128, "schedule": _PROTOCOL["schedule"],
    "optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 1e-5, "clip_norm": 5.0},
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": {"alpha": 1.0, "beta": 1.0}, "training": _PROTOCOL, "source": _SOURCE},
    {
        "dataset": "cifar100", "hyper": {"alpha": 10.0, "beta": 0.1}, "training": _CIFAR100, "source": _SOURCE,
        "deviations": ("network: the authors' configuration names a ResNet-50 for small images, which is not here",),
    },
)  # fmt: skip
