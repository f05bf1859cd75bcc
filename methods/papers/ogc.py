"""What the authors of OGC trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HYPER = {"epsilon": 20.0, "interval": 32, "queue": 4096, "tolerance": 1e-7, "rounds": 10}
_TRAINING = {
    "network": "resnet18", "epochs": 150, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "clip_norm": 5.0},
    "schedule": {"name": "multi_step", "milestones": [50, 100], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_ENTRY: dict[str, Any] = {
    "hyper": _HYPER, "source": "Virusdoll/OGC",
    "deviations": ("augmentation: the authors turn images by up to 15 degrees too",),
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "training": _TRAINING} | _ENTRY,
    {"dataset": "cifar100", "training": {**_TRAINING, "network": "resnet34"}} | _ENTRY,
)
