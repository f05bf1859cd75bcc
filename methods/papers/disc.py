"""What the authors of DISC trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "JackYFL/DISC, its scripts"
_CIFAR: dict[str, Any] = {
    "network": "resnet18", "epochs": 200, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 1e-3},
    "schedule": {"name": "multi_step", "milestones": [80, 160], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "padding_mode": "reflect", "flip": True, "strong": "randaugment_disc_m5"},
}  # fmt: skip
_HEAVY: dict[str, Any] = {
    **_CIFAR, "optimizer": {"name": "adam", "lr": 1e-3},
    "schedule": {"name": "linear", "start": 120, "beta1_after": 0.1, "update": "epoch"},
}  # fmt: skip
_HUNDRED = {"augmentation": {**_CIFAR["augmentation"], "strong": "randaugment_disc_m10"}}
_HYPER = {"warm_up": 20, "momentum": 0.99, "sigma": 0.5, "hard_weight": 1.0, "alpha": 5.0}
_MUCH = {**_HYPER, "momentum": 0.95, "hard_weight": 0.2}
_SYMMETRIC = ("symmetric", "symmetric_excluding")
_ASYMMETRIC = ("asymmetric",)
_LITTLE = (0.1, 0.2, 0.3, 0.4, 0.5)
_PHOTOGRAPHS: dict[str, Any] = {
    "hyper": {"warm_up": 10, "momentum": 0.95},
    "training": {
        "network": "resnet50", "pretrained": True, "epochs": 100, "batch_size": 32,
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.0, "weight_decay": 5e-4},
        "schedule": {"name": "multi_step", "milestones": [50, 80], "factor": 0.1, "update": "epoch"},
    },
    "source": _SOURCE,
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.6,), "hyper": _MUCH, "training": _CIFAR,
        "source": _SOURCE,
    },
    {
        "dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.8,), "hyper": _MUCH, "training": _HEAVY,
        "source": _SOURCE,
    },
    {
        "dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.6,), "hyper": _MUCH, "training": _CIFAR | _HUNDRED,
        "source": _SOURCE,
    },
    {
        "dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.8,), "hyper": _MUCH, "training": _HEAVY | _HUNDRED,
        "source": _SOURCE,
    },
    {
        "dataset": "cifar10", "noise": _ASYMMETRIC, "hyper": {**_HYPER, "momentum": 0.95}, "training": _CIFAR,
        "source": _SOURCE,
    },
    {
        "dataset": "cifar100", "noise": ("asymmetric_block_of_five",), "hyper": {**_HYPER, "momentum": 0.95},
        "training": _CIFAR | _HUNDRED, "source": _SOURCE,
    },
    {
        "dataset": "cifar10", "noise": ("instance_dependent",), "hyper": {**_HYPER, "warm_up": 15},
        "training": {**_CIFAR, "network": "resnet34"}, "source": _SOURCE,
    },
    {
        "dataset": "cifar100", "noise": ("instance_dependent",), "hyper": {**_HYPER, "warm_up": 15},
        "training": {**_CIFAR, **_HUNDRED, "network": "resnet34"}, "source": _SOURCE,
    },
    {
        "dataset": "cifar10", "noise": _SYMMETRIC, "rates": _LITTLE, "hyper": _HYPER, "training": _CIFAR,
        "source": _SOURCE,
    },
    {
        "dataset": "cifar100", "noise": _SYMMETRIC, "rates": _LITTLE, "hyper": _HYPER, "training": _CIFAR | _HUNDRED,
        "source": _SOURCE,
    },
    {"dataset": "clothing1m"} | _PHOTOGRAPHS,
    {"dataset": "food101n"} | _PHOTOGRAPHS,
    {
        "dataset": "animal10n", "source": _SOURCE,
        "training": {
            "network": "vgg19_bn", "epochs": 120, "batch_size": 64, "optimizer": {"name": "sgd", "lr": 0.05},
            "schedule": {"name": "multi_step", "milestones": [50, 80], "factor": 0.1, "update": "epoch"},
        },
    },
    {
        "dataset": "mini_webvision", "source": _SOURCE, "hyper": {"warm_up": 15},
        "training": {
            "network": "inception_resnet_v2", "epochs": 100, "batch_size": 32, "optimizer": {"name": "sgd", "lr": 0.1},
            "schedule": {"name": "multi_step", "milestones": [60, 80], "factor": 0.1, "update": "epoch"},
        },
    },
)  # fmt: skip
