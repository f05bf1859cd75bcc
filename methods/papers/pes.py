"""What the authors of PES trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TRAINING = {
    "network": "resnet18", "epochs": 200, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 1e-4},
}  # fmt: skip
_DEEPER = {**_TRAINING, "network": "resnet34"}
_HYPER: dict[str, Any] = {"refine_blocks": 7, "refine_classifier": 5, "refine_lr": 1e-4}
_ENTRY: dict[str, Any] = {
    "source": "tmllab/2021_NeurIPS_PES, PES_cs.py", "deviations": ("schedule: the authors' was not read",),
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": {**_HYPER, "warm_up": 25}, "training": _TRAINING} | _ENTRY,
    {"dataset": "cifar100", "hyper": {**_HYPER, "warm_up": 30}, "training": _DEEPER} | _ENTRY,
)  # fmt: skip
