"""What the authors of peer loss trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "weijiaheng/Multi-class-Peer-Loss-functions"
_TURNED = "augmentation: the authors turn images by up to 15 degrees too"
_TEN = {
    "network": "preact_resnet18", "epochs": 300, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    "schedule": {
        "name": "multi_step", "milestones": [40, 80, 120, 160, 200, 240, 280], "factor": 0.1, "update": "epoch",
    },
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_HUNDRED = {
    "network": "preact_resnet18", "epochs": 250, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "multi_step", "milestones": [60, 100], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "noise": ("symmetric", "symmetric_excluding"), "training": _TEN, "source": _SOURCE,
        "hyper": {"schedule": "cifar10_uniform", "divide": True}, "deviations": (_TURNED,),
    },
    {
        "dataset": "cifar100", "noise": ("symmetric", "symmetric_excluding"), "training": _HUNDRED,
        "source": _SOURCE, "hyper": {"schedule": "cifar100_uniform", "divide": True},
        "deviations": (_TURNED, "after 100 epochs of cross-entropy the authors go on from the best of them"),
    },
)  # fmt: skip
