"""What the authors of MOIT and MOIT+ trained them with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "DiegoOrtego/LabelNoiseMOIT, its scripts"
_TRAINING: dict[str, Any] = {
    "network": "preact_resnet18", "epochs": 250, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    "schedule": {"name": "multi_step", "milestones": [125, 200], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True, "strong": "contrastive"},
}  # fmt: skip
_HYPER: dict[str, Any] = {"correction": 130, "neighbours": 250, "memory_from": 3, "memory": 100, "alpha": 1.0}
# Of 320 epochs, so that the first 250 have the milestones of their own.
_PLUS = {**_TRAINING, "epochs": 320, "schedule": {**_TRAINING["schedule"], "milestones": [0.5, 0.8]}}
_TUNED = {**_HYPER, "fine_tuning": 70, "fine_tuning_lr": 0.001, "bootstrap_after": 0.43}
_MUCH: dict[str, Any] = {
    "noise": ("symmetric",), "rates": (0.8,), "training": {**_PLUS, "epochs": 390}, "source": _SOURCE,
    "hyper": {**_HYPER, "fine_tuning": 140, "fine_tuning_lr": 0.001, "bootstrap_after": 0.215},
    "deviations": ("schedule: the authors divide the rate of fine-tuning after 120 of its 140 epochs; here it stays",),
}  # fmt: skip

MOIT: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": _HYPER, "training": _TRAINING, "source": _SOURCE},
    {"dataset": "cifar100", "hyper": _HYPER, "training": _TRAINING, "source": _SOURCE},
)
PLUS: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10"} | _MUCH,
    {"dataset": "cifar100"} | _MUCH,
    {"dataset": "cifar10", "hyper": _TUNED, "training": _PLUS, "source": _SOURCE},
    {"dataset": "cifar100", "hyper": _TUNED, "training": _PLUS, "source": _SOURCE},
)  # fmt: skip
