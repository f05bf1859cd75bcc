"""What the authors of VolMinNet trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "xuefeng-li1/Provably-end-to-end-label-noise-learning-without-anchor-points"
_TRAINING = {
    "network": "resnet18", "epochs": 80, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "schedule": {"name": "multi_step", "milestones": [30, 60], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_STEM = "network: the authors' first convolution has no padding"

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "hyper": {"penalty": 1e-4, "matrix_lr": 0.01, "matrix_optimizer": "sgd"},
        "training": _TRAINING, "source": _SOURCE, "deviations": (_STEM,),
    },
    {
        "dataset": "cifar100", "training": {**_TRAINING, "network": "resnet34"}, "source": _SOURCE,
        "hyper": {"penalty": 1e-4, "initial": 4.5, "matrix_lr": 0.01, "matrix_optimizer": "adam"},
        "deviations": ("epochs, schedule: given for CIFAR-10 alone",),
    },
)  # fmt: skip
