"""What the authors of symmetric cross-entropy trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PROTOCOL: dict[str, Any] = {
    "epochs": 120, "batch_size": 128, "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
    "schedule": {"name": "multi_step", "milestones": [40, 80], "factor": 0.1, "update": "epoch"},
}  # fmt: skip
_CIFAR100 = {
    "epochs": 150, "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    "schedule": {**_PROTOCOL["schedule"], "milestones": [80, 120]},
}  # fmt: skip
_SOURCE = "YisenWang/symmetric_cross_entropy_for_noisy_labels, train_models.py, util.py"

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": {"alpha": 0.1, "beta": 1.0}, "training": _PROTOCOL, "source": _SOURCE},
    {"dataset": "cifar100", "hyper": {"alpha": 6.0, "beta": 0.1}, "training": _PROTOCOL | _CIFAR100, "source": _SOURCE},
)
