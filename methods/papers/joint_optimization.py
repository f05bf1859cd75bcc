"""What the authors of joint optimisation trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TRAINING = {
    "network": "preact_resnet32", "epochs": 320, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.2, "momentum": 0.9, "weight_decay": 1e-4},
    "schedule": {"name": "multi_step", "milestones": [0.333, 0.666], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_HYPER: dict[str, Any] = {"first": 200, "begin": 70}
_SOURCE = "DaikiTanaka-UT/JointOptimization: 200 epochs at a constant rate, then 120 from scratch"
_DEVIATIONS = ("images are normalised by mean and deviation, the authors subtract the mean image",)

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "noise": ("symmetric",), "rates": (0.7,), "training": _TRAINING, "source": _SOURCE,
        "hyper": {**_HYPER, "prior": 1.2, "entropy": 0.8, "first_lr": 0.08}, "deviations": _DEVIATIONS,
    },
    {
        "dataset": "cifar10", "noise": ("asymmetric",), "rates": (0.4,), "training": _TRAINING, "source": _SOURCE,
        "hyper": {**_HYPER, "prior": 0.8, "entropy": 0.4, "first_lr": 0.03}, "deviations": _DEVIATIONS,
    },
)  # fmt: skip
