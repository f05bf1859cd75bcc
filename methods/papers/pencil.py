"""What the authors of PENCIL trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10",
        "hyper": {
            "warm_up": 70, "correction": 130, "compatibility": 0.4, "entropy": 0.1, "label_lr": 600.0, "early_lr": 0.06,
        },
        "training": {
            "network": "preact_resnet32", "epochs": 320, "batch_size": 128,
            "optimizer": {"name": "sgd", "lr": 0.2, "momentum": 0.9, "weight_decay": 1e-4},
            "schedule": {"name": "multi_step", "milestones": [0.333, 0.666], "factor": 0.1, "update": "epoch"},
            "augmentation": {"crop_padding": 4, "flip": True},
        },
        "source": "yikun2019/PENCIL, PENCIL.py, its defaults",
        "deviations": (
            "schedule: as it is written, .2 divided by 10 and 100; a whole-number division makes the authors' rate 0 "
            "from epoch 240 on",
        ),
    },
)  # fmt: skip
