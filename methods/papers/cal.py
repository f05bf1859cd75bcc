"""What the authors of CAL trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "UCSC-REAL/CAL"
_TRAINING = {
    "network": "resnet34", "epochs": 166, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "multi_step", "milestones": [0.6], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_HYPER = {"sieve": 66, "warm_up": 10, "ramp": 30}
_FIRST = "schedule: the authors divide the first training's rate after 60 of its 66 epochs, here after 40"

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "hyper": {**_HYPER, "first_weight": 2.0, "weight": 1.0}, "training": _TRAINING,
        "source": _SOURCE, "deviations": (_FIRST,),
    },
    {
        "dataset": "cifar100", "hyper": {**_HYPER, "first_weight": 10.0, "weight": 10.0}, "training": _TRAINING,
        "source": "UCSC-REAL/CAL, run_exptPRLD_C100_CAL.py: alpha 1 in both trainings, of ten times the prior",
        "deviations": (_FIRST, "augmentation: the authors turn images by up to 15 degrees too"),
    },
)  # fmt: skip
