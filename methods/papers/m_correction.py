"""What the authors of M-correction trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ENTRY: dict[str, Any] = {
    "hyper": {"warm_up": 105, "guided": 5, "hardening": 89, "alpha": 32.0, "prior": 1.0},
    "training": {
        "network": "preact_resnet18", "epochs": 300, "batch_size": 128,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
        "schedule": {"name": "multi_step", "milestones": [100, 250], "factor": 0.1, "update": "epoch"},
        "augmentation": {"crop_padding": 4, "flip": True},
    },
    "source": "PaulAlbert31/LabelNoiseCorrection: M-DYR-H from epoch 105; MD-DYR-SH guided in 106 to 110",
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = ({"dataset": "cifar10"} | _ENTRY, {"dataset": "cifar100"} | _ENTRY)
