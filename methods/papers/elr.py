"""What the authors of ELR trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PROTOCOL: dict[str, Any] = {
    "network": "resnet34", "epochs": 120, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-3},
    "schedule": {"name": "multi_step", "milestones": [40, 80], "factor": 0.01, "update": "epoch"},
}  # fmt: skip
_CIFAR100 = {"epochs": 150, "schedule": {**_PROTOCOL["schedule"], "milestones": [80, 120]}}
_CLOTHING1M = {
    "network": "resnet50", "pretrained": True, "epochs": 10, "batch_size": 64,
    "optimizer": {"name": "sgd", "lr": 0.001, "momentum": 0.9, "weight_decay": 1e-3},
    "schedule": {"name": "multi_step", "milestones": [5], "factor": 0.01, "update": "epoch"},
    "sampling": {"batches": 2000, "balanced": True, "fresh": False, "top_up": False},
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "noise": ("symmetric",), "hyper": {"momentum": 0.7, "penalty": 3.0},
        "training": _PROTOCOL,
        "source": "shengliu66/ELR, config_cifar10.json; epochs and milestones of the paper's text",
    },
    {
        "dataset": "cifar10", "noise": ("asymmetric", "asymmetric_in_place"),
        "hyper": {"momentum": 0.9, "penalty": 1.0}, "training": _PROTOCOL,
        "source": "shengliu66/ELR, config_cifar10_asym.json",
    },
    {
        "dataset": "cifar100", "hyper": {"momentum": 0.9, "penalty": 7.0}, "training": _PROTOCOL | _CIFAR100,
        "source": "shengliu66/ELR, config_cifar100.json",
    },
    {
        "dataset": "clothing1m", "hyper": {"momentum": 0.7, "penalty": 3.0}, "training": _CLOTHING1M,
        "source": "ELR's appendix: as on CIFAR-10",
        "deviations": (
            "sampling.fresh: no config was released; that the sample is drawn once for all is inferred from ELR+'s "
            "loader",
        ),
    },
    {
        "dataset": "mini_webvision", "hyper": {"momentum": 0.7, "penalty": 3.0},
        "source": "ELR's appendix: as on CIFAR-10", "deviations": ("no config was released: here by ELR+'s protocol",),
    },
)  # fmt: skip
