"""What the authors of T-Revision trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEVIATIONS = (
    "optimizer.momentum, optimizer.weight_decay: the first part's is without momentum; the last part's decays too",
)
_ENTRY: dict[str, Any] = {"source": "xiaoboxia/T-Revision", "deviations": _DEVIATIONS}
_HYPER: dict[str, Any] = {"reweight": 200, "revision_lr": 5e-7}
_TRAINING: dict[str, Any] = {
    "network": "resnet18", "epochs": 420, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "schedule": {"name": "multi_step", "milestones": [0.2, 0.4], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": {**_HYPER, "estimate": 20}, "training": _TRAINING} | _ENTRY,
    {
        "dataset": "cifar100", "hyper": {**_HYPER, "estimate": 15},
        "training": {**_TRAINING, "network": "resnet34", "epochs": 415},
    } | _ENTRY,
)  # fmt: skip
