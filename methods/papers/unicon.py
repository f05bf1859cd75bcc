"""What the authors of UNICON trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "nazmul-karim170/UNICON-Noisy-Label, its scripts"
_CIFAR = {
    "network": "preact_resnet18", "epochs": 350, "batch_size": 64,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "cosine", "minimum": 2e-4, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True, "strong": "autoaugment_cifar10_unicon"},
}  # fmt: skip
_HYPER: dict[str, Any] = {
    "warm_up_batch": 128, "d_u": 0.7, "tau": 5.0, "temperature": 0.5, "alpha": 4.0, "guessed_weight": 30.0,
    "contrastive_weight": 0.025,
}  # fmt: skip
_DIVIDED = "the samples are divided once an epoch for both networks, by the authors anew before the second one's turn"
_ENTRY: dict[str, Any] = {
    "training": _CIFAR, "source": _SOURCE,
    "deviations": (_DIVIDED, "schedule: the authors' cosine is over 280 epochs, and turns up again in the last 70"),
}  # fmt: skip
_ASYMMETRIC = ("asymmetric", "asymmetric_in_place")
_BLOCKS = ("asymmetric_block_of_five",)
_PENALISED = {"confident_warm_up": False}

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "noise": _ASYMMETRIC, "hyper": {**_HYPER, **_PENALISED, "warm_up": 10}} | _ENTRY,
    {"dataset": "cifar10", "hyper": {**_HYPER, "warm_up": 10}} | _ENTRY,
    {"dataset": "cifar100", "noise": _BLOCKS, "hyper": {**_HYPER, **_PENALISED, "warm_up": 30}} | _ENTRY,
    {"dataset": "cifar100", "hyper": {**_HYPER, "warm_up": 30}} | _ENTRY,
    {
        "dataset": "clothing1m", "hyper": {"warm_up": 0, "ramp": 5}, "source": _SOURCE,
        "training": {
            "network": "resnet50", "pretrained": True, "epochs": 200, "batch_size": 32,
            "optimizer": {"name": "sgd", "lr": 0.005, "weight_decay": 1e-3}, "schedule": {"name": "cosine"},
        },
        "deviations": (_DIVIDED, "schedule: the authors' cosine is over 100 epochs"),
    },
    {
        "dataset": "mini_webvision", "hyper": {"warm_up": 2}, "source": _SOURCE,
        "training": {
            "network": "inception_resnet_v2", "epochs": 120, "batch_size": 24,
            "optimizer": {"name": "sgd", "lr": 0.01, "weight_decay": 1e-4},
        },
        "deviations": (_DIVIDED,),
    },
)  # fmt: skip
