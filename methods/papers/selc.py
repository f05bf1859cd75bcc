"""What the authors of SELC trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "MacLLL/SELC, class-conditional_noise/train_cifar_with_SELC.py"
_SYMMETRIC = ("symmetric",)
_ASYMMETRIC = ("asymmetric",)
_BLOCKS = ("asymmetric_block_of_five",)
_CIFAR: dict[str, Any] = {
    "training": {
        "network": "resnet34", "epochs": 200, "batch_size": 128,
        "optimizer": {"name": "sgd", "lr": 0.02, "weight_decay": 1e-3},
        "schedule": {"name": "multi_step", "milestones": [40, 80], "factor": 0.1, "update": "epoch"},
    },
    "source": _SOURCE,
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.2, 0.8), "hyper": {"momentum": 0.9, "start": 40}} | _CIFAR,
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.4, 0.6), "hyper": {"momentum": 0.9, "start": 30}} | _CIFAR,
    {"dataset": "cifar10", "noise": _ASYMMETRIC, "rates": (0.4,), "hyper": {"momentum": 0.9, "start": 40}} | _CIFAR,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.2, 0.6), "hyper": {"momentum": 0.9, "start": 30}} | _CIFAR,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.4,), "hyper": {"momentum": 0.9, "start": 20}} | _CIFAR,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.8,), "hyper": {"momentum": 0.9, "start": 40}} | _CIFAR,
    {"dataset": "cifar100", "noise": _BLOCKS, "rates": (0.4,), "hyper": {"momentum": 0.9, "start": 20}} | _CIFAR,
    {
        "dataset": "clothing1m", "hyper": {"momentum": 0.8, "start": 5},
        "training": {
            "network": "resnet50", "pretrained": True, "epochs": 40, "batch_size": 64,
            "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3},
            "schedule": {"name": "multi_step", "milestones": [10, 20], "factor": 0.1, "update": "epoch"},
            "sampling": {"batches": 2000, "balanced": True, "fresh": False, "top_up": False},
        },
        "source": "MacLLL/SELC, real-world_noise/train_Clothing1M.py: lr .01, 40 epochs divided by 10 at 10 and 20, "
        "es 5, alpha .8, one fixed sample of 128,000 images; the checkpoint kept is the best TEST epoch",
    },
    {
        "dataset": "animal10n", "hyper": {"start": 41},
        "training": {
            "network": "vgg19_bn", "epochs": 100, "batch_size": 128,
            "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 1e-3},
            "schedule": {"name": "multi_step", "milestones": [50, 75], "factor": 0.2, "update": "epoch"},
            "augmentation": {"resize": 64, "crop": 64, "flip": True},
        },
        "source": "MacLLL/SELC, train_animal10N.py: es 40, counted from 0, so that 41 epochs are cross-entropy",
        "deviations": ("the last, smaller batch of an epoch is kept, the authors leave it out",),
    },
    {
        "dataset": "mini_webvision", "hyper": {"momentum": 0.9, "start": 40},
        "training": {
            "network": "inception_resnet_v2", "epochs": 100, "batch_size": 32,
            "optimizer": {"name": "sgd", "lr": 0.01, "weight_decay": 5e-4},
            "schedule": {"name": "multi_step", "milestones": [40, 80], "factor": 0.1, "update": "epoch"},
        },
        "source": "MacLLL/SELC, real-world_noise/train_webvision.py: lr .01 divided by 10 at 40 and 80 of 100 epochs, "
        "es 40, alpha .9, batch 32; no published number is kept",
    },
)  # fmt: skip
