"""What the authors of CORES2 trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HYPER = {"beta": 2.0, "warm_up": 10, "ramp": 30, "select_after": 31, "divide": True}
_TRAINING = {
    "network": "resnet34", "epochs": 100, "batch_size": 64,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0},
    "schedule": {"name": "multi_step", "milestones": [50], "factor": 0.1, "update": "epoch"},
}  # fmt: skip
_SOURCE = "haochenglouis/cores, phase1.py"

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": _HYPER, "training": _TRAINING, "source": _SOURCE},
    {"dataset": "cifar100", "hyper": _HYPER, "training": _TRAINING, "source": _SOURCE},
)
