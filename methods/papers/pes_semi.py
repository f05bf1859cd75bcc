"""What the authors of PES(semi) trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TRAINING = {
    "network": "preact_resnet18", "epochs": 305, "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4},
    "schedule": {"name": "cosine", "minimum": 2e-4, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True},
}  # fmt: skip
_BY_PEOPLE = {**_TRAINING, "network": "resnet34"}
_HYPER: dict[str, Any] = {"refine_classifier": 5, "one_schedule": True, "steps": "all", "authors_behaviour": True}
_CIFAR10N = (
    "cifar10n_aggregate", "cifar10n_random1", "cifar10n_random2", "cifar10n_random3", "cifar10n_worst",
)  # fmt: skip
_SOURCE = (
    "tmllab/2021_NeurIPS_PES, PES_semi.py: lr .02, one cosine over 300 epochs down to 2e-4, T1 20 (CIFAR-100: 35), T2 "
    "5 outside of the 300, alpha 4, then .75; README: lambda_u 15 and 50 of other settings"
)
_DEVIATIONS = (
    "hyper.guessed_weight: lambda_u of symmetric noise was not found: here the README's of instance-dependent noise "
    "(CIFAR-100: of pair flips)",
)

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "noise": _CIFAR10N, "hyper": {**_HYPER, "warm_up": 20, "guessed_weight": 5.0},
        "training": _BY_PEOPLE,
        "source": "tmllab/2021_NeurIPS_PES, PES_noisylabels.py: ResNet-34, lr .02, one cosine over 300 epochs down to "
        "2e-4, T1 20, T2 5 outside of the 300, lambda_u 5",
    },
    {
        "dataset": "cifar100", "noise": ("cifar100n_noisy",),
        "hyper": {**_HYPER, "warm_up": 35, "guessed_weight": 75.0}, "training": _BY_PEOPLE,
        "source": "tmllab/2021_NeurIPS_PES, PES_noisylabels.py: ResNet-34, lr .02, one cosine over 300 epochs down to "
        "2e-4, T1 35, T2 5 outside of the 300, lambda_u 75",
    },
    {
        "dataset": "cifar10", "hyper": {**_HYPER, "warm_up": 20, "guessed_weight": 15.0}, "training": _TRAINING,
        "source": _SOURCE, "deviations": _DEVIATIONS,
    },
    {
        "dataset": "cifar100", "hyper": {**_HYPER, "warm_up": 35, "guessed_weight": 50.0}, "training": _TRAINING,
        "source": _SOURCE, "deviations": _DEVIATIONS,
    },
)  # fmt: skip
