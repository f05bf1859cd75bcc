"""What the authors of ProMix trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "Justherozen/ProMix, Train_promix.py"
_TRAINING = {
    "network": "resnet18", "epochs": 600, "batch_size": 256,
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "cosine", "minimum": 5e-5, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True, "strong": "randaugment_promix"},
}  # fmt: skip
_TEN: dict[str, Any] = {
    "warm_up": 10, "ramp": 50, "guessing": 250, "tau": 0.99, "debias_loss": 0.8, "debias_labels": 0.8,
}  # fmt: skip
_HUNDRED: dict[str, Any] = {**_TEN, "warm_up": 30, "tau": 0.95, "debias_loss": 0.5, "debias_labels": 0.5}
_LITTLE: dict[str, Any] = {"noise": ("symmetric",), "rates": (0.2,), "training": _TRAINING, "source": _SOURCE}
_OTHER: dict[str, Any] = {"training": _TRAINING, "source": _SOURCE}

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": {**_TEN, "rho": 0.7}} | _LITTLE,
    {
        "dataset": "cifar10", "noise": ("asymmetric", "asymmetric_in_place"),
        "hyper": {**_TEN, "rho": 0.5, "confident_warm_up": False},
    } | _OTHER,
    {"dataset": "cifar10", "hyper": {**_TEN, "rho": 0.5}} | _OTHER,
    {"dataset": "cifar100", "hyper": {**_HUNDRED, "rho": 0.7}} | _LITTLE,
    {"dataset": "cifar100", "hyper": {**_HUNDRED, "rho": 0.5}} | _OTHER,
)  # fmt: skip
