"""What the authors of DivideMix trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CIFAR = {
    "network": "preact_resnet18", "epochs": 301, "batch_size": 64,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "multi_step", "milestones": [150], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_CLOTHING1M = {
    "network": "resnet50", "pretrained": True, "epochs": 81, "batch_size": 32,
    "optimizer": {"name": "sgd", "lr": 0.002, "momentum": 0.9, "weight_decay": 1e-3},
    "schedule": {"name": "multi_step", "milestones": [40], "factor": 0.1, "update": "epoch"},
    "augmentation": {"resize": 256, "crop": 224, "flip": True},
    "sampling": {"batches": 1000, "balanced": True, "fresh": True, "top_up": False},
}  # fmt: skip
_WEBVISION = {
    "network": "inception_resnet_v2", "epochs": 81, "batch_size": 32,
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "multi_step", "milestones": [40], "factor": 0.1, "update": "epoch"},
    "augmentation": {"resize": 256, "crop": 227, "flip": True},
}  # fmt: skip
_SYMMETRIC: dict[str, Any] = {
    "noise": ("symmetric",), "training": _CIFAR,
    "source": "LiJunnan1992/DivideMix, Train_cifar.py; issues 10, 26, 41, 50: lambda_u 0, 25, 25, 50, CIFAR-100 25, "
    "150, 150, 150; threshold .6 and losses of 5 epochs at 90%; warm-up of 10 (CIFAR-100: 30) epochs at batch 128",
}  # fmt: skip
_TEN: dict[str, Any] = {"warm_up": 10, "warm_up_batch": 128}
_HUNDRED: dict[str, Any] = {"warm_up": 30, "warm_up_batch": 128}
_HEAVY = {"threshold": 0.6, "average_last": 5}

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "rates": (0.2,), "hyper": {**_TEN, "guessed_weight": 0.0}} | _SYMMETRIC,
    {"dataset": "cifar10", "rates": (0.5, 0.8), "hyper": {**_TEN, "guessed_weight": 25.0}} | _SYMMETRIC,
    {"dataset": "cifar10", "rates": (0.9,), "hyper": {**_TEN, **_HEAVY, "guessed_weight": 50.0}} | _SYMMETRIC,
    {"dataset": "cifar100", "rates": (0.2,), "hyper": {**_HUNDRED, "guessed_weight": 25.0}} | _SYMMETRIC,
    {"dataset": "cifar100", "rates": (0.5, 0.8), "hyper": {**_HUNDRED, "guessed_weight": 150.0}} | _SYMMETRIC,
    {"dataset": "cifar100", "rates": (0.9,), "hyper": {**_HUNDRED, **_HEAVY, "guessed_weight": 150.0}} | _SYMMETRIC,
    {
        "dataset": "cifar10", "noise": ("asymmetric",), "rates": (0.4,), "training": _CIFAR,
        "hyper": {**_TEN, "guessed_weight": 0.0, "confident_warm_up": False},
        "source": "LiJunnan1992/DivideMix, Train_cifar.py; issue 15: lambda_u 0, a warm-up that penalises confidence",
    },
    {
        "dataset": "clothing1m", "training": _CLOTHING1M,
        "hyper": {
            "warm_up": 1, "warm_up_batch": 64, "alpha": 0.5, "guessed_weight": 0.0, "confident_warm_up": False,
            "guessed_as_partners": True, "own_samples": True,
        },
        "source": "LiJunnan1992/DivideMix, Train_clothing1M.py: batch 32, lr .002 divided by 10 at 40 of 81 epochs, "
        "samples of 1000 batches, warm-up 1 at batch 64 that penalises confidence, alpha .5; the best validation epoch "
        "of each network",
        "deviations": (
            "sampling.batches: the warm-up walks over 1000 batches of 32 images where the authors' has 1000 of 64",
        ),
    },
    {
        "dataset": "mini_webvision", "training": _WEBVISION,
        "hyper": {"warm_up": 1, "warm_up_batch": 64, "alpha": 0.5, "guessed_weight": 0.0, "guessed_as_partners": True},
        "source": "LiJunnan1992/DivideMix, Train_webvision.py: lr .01 divided by 10 at 40 of 81 epochs, batch 32, "
        "warm-up 1 at batch 64, alpha .5, loss over the labelled rows alone",
        "deviations": (
            "augmentation: crops of 227 from images of 256, as at the paper's time; the latest code crops 299 from 320 "
            "by a random resized crop",
        ),
    },
)  # fmt: skip
