"""What the authors of SOP+ trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TRAINING: dict[str, Any] = {
    "network": "preact_resnet18", "epochs": 300, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-3},
    "schedule": {"name": "cosine", "minimum": 2e-4, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True, "strong": "autoaugment_cifar10_sop"},
}  # fmt: skip
_HYPER: dict[str, Any] = {"consistency": 0.9, "balance": 0.1}
_SOURCE = (
    "shengliu66/SOP, config_cifar100.json: PreAct-ResNet-18, cosine over 300 epochs down to 2e-4, weight decay 1e-3, "
    "lr_u 1, lr_v 10 (asymmetric: .1, 100), consistency .9, balance .1; AutoAugment for CIFAR-10 and cut-out 16 as "
    "strong view"
)

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar100", "noise": ("symmetric", "cifar100n_noisy"),
        "hyper": {**_HYPER, "lr_u": 1.0, "lr_v": 10.0}, "training": _TRAINING, "source": _SOURCE,
    },
    {
        "dataset": "cifar100", "noise": ("asymmetric_random_pair",),
        "hyper": {**_HYPER, "lr_u": 0.1, "lr_v": 100.0}, "training": _TRAINING, "source": _SOURCE,
    },
)  # fmt: skip
