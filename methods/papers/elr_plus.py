"""What the authors of ELR+ trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CIFAR: dict[str, Any] = {
    "network": "preact_resnet18", "epochs": 200, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "multi_step", "milestones": [150], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_CIFAR100 = {"epochs": 250, "schedule": {**_CIFAR["schedule"], "milestones": [200]}}
_CLOTHING1M = {
    "network": "resnet50", "pretrained": True, "epochs": 15, "batch_size": 64,
    "optimizer": {"name": "sgd", "lr": 0.002, "momentum": 0.9, "weight_decay": 1e-3},
    "schedule": {"name": "multi_step", "milestones": [7], "factor": 0.1, "update": "epoch"},
    "sampling": {"batches": 3000, "balanced": True, "fresh": False, "top_up": False, "per_network": True},
}  # fmt: skip
_WEBVISION = {
    "network": "inception_resnet_v2", "epochs": 100, "batch_size": 32,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "multi_step", "milestones": [50], "factor": 0.1, "update": "epoch"},
}  # fmt: skip
_HYPER: dict[str, Any] = {"own_labels": True, "held_out": 0.1, "average_steps": 40_000}
_BOTH_ALIKE = (
    "noise: the code seeds both networks' symmetric noise alike, so that the same positions of two splits are wrong; "
    "here two draws"
)

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "noise": ("symmetric",), "hyper": {**_HYPER, "momentum": 0.7, "penalty": 3.0},
        "training": _CIFAR,
        "source": "shengliu66/ELR_plus, config_cifar10.json, train.py, trainer.py: 200 epochs, divided by 10 at 150; "
        "beta .7, lambda 3, mixup 1, average .997 over 40,000 steps",
    },
    {
        "dataset": "cifar10", "noise": ("asymmetric", "asymmetric_in_place"),
        "hyper": {**_HYPER, "momentum": 0.9, "penalty": 1.0}, "training": _CIFAR,
        "source": "shengliu66/ELR_plus, config_cifar10_asym.json, train.py, trainer.py",
    },
    {
        "dataset": "cifar100", "training": _CIFAR | _CIFAR100,
        "hyper": {**_HYPER, "momentum": 0.9, "penalty": 7.0, "penalty_steps": 40_000, "reweight": True},
        "source": "shengliu66/ELR_plus, config_cifar100.json, train.py, trainer.py", "deviations": (_BOTH_ALIKE,),
    },
    {
        "dataset": "clothing1m", "training": _CLOTHING1M,
        "hyper": {"momentum": 0.7, "penalty": 3.0, "average": 0.9999, "average_ramp": 0},
        "source": "shengliu66/ELR_plus, config_clothing1m.json, data_loader/clothing1m.py: 15 epochs, lr .002 divided "
        "by 10 after 7, average .9999 without a ramp, 3000 batches drawn once for each network",
    },
    {
        "dataset": "mini_webvision", "training": _WEBVISION,
        "hyper": {"momentum": 0.7, "penalty": 3.0, "alpha": 1.5, "average_ramp": 0, "predict_average": True},
        "source": "shengliu66/ELR_plus, WebVision config: mixup alpha 1.5, averages without a ramp; evaluated on two "
        "GPUs, as the first network and the average of the second",
    },
)  # fmt: skip
