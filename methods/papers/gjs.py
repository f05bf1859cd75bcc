"""What the authors of JS and GJS trained them with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SOURCE = "ErikEnglesson/GJS"
_SYMMETRIC = ("symmetric",)
_ASYMMETRIC = ("asymmetric", "asymmetric_in_place")
_SUPERCLASS = ("asymmetric_superclass",)
_CIFAR: dict[str, Any] = {
    "network": "preact_resnet34", "epochs": 400, "batch_size": 128,
    "schedule": {"name": "multi_step", "milestones": [200, 300], "factor": 0.1, "update": "epoch"},
    "augmentation": {"crop_padding": 4, "flip": True, "strong": "randaugment_gjs"},
}  # fmt: skip
_WEBVISION: dict[str, Any] = {
    "dataset": "mini_webvision", "hyper": {"label_weight": 0.1, "scaled": False}, "source": _SOURCE,
    "deviations": ("schedule: the authors multiply the rate by .97 after each epoch, which no schedule here does",),
}  # fmt: skip
_SGD: dict[str, Any] = {"name": "sgd", "momentum": 0.9, "nesterov": True}
_JS_SLOW = {"training": {**_CIFAR, "optimizer": {**_SGD, "lr": 0.01, "weight_decay": 5e-4}}, "source": _SOURCE}
_FAST = {"training": {**_CIFAR, "optimizer": {**_SGD, "lr": 0.1, "weight_decay": 5e-4}}, "source": _SOURCE}
_DECAYED = {"training": {**_CIFAR, "optimizer": {**_SGD, "lr": 0.1, "weight_decay": 1e-3}}, "source": _SOURCE}
_JS_HUNDRED = {"training": {**_CIFAR, "optimizer": {**_SGD, "lr": 0.2, "weight_decay": 1e-4}}, "source": _SOURCE}
_JS_MISTAKEN = {"training": {**_CIFAR, "optimizer": {**_SGD, "lr": 0.1, "weight_decay": 1e-4}}, "source": _SOURCE}
_GJS_HUNDRED = {"training": {**_CIFAR, "optimizer": {**_SGD, "lr": 0.2, "weight_decay": 5e-5}}, "source": _SOURCE}
_GJS_MISTAKEN = {"training": {**_CIFAR, "optimizer": {**_SGD, "lr": 0.4, "weight_decay": 1e-4}}, "source": _SOURCE}

JS: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.2, 0.4), "hyper": {"label_weight": 0.7}} | _JS_SLOW,
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.6, 0.8), "hyper": {"label_weight": 0.9}} | _JS_SLOW,
    {"dataset": "cifar10", "noise": _ASYMMETRIC, "hyper": {"label_weight": 0.3}} | _DECAYED,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.2,), "hyper": {"label_weight": 0.1}} | _JS_HUNDRED,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.4, 0.8), "hyper": {"label_weight": 0.3}} | _JS_HUNDRED,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.6,), "hyper": {"label_weight": 0.5}} | _JS_HUNDRED,
    {"dataset": "cifar100", "noise": _SUPERCLASS, "hyper": {"label_weight": 0.5}} | _JS_MISTAKEN,
    _WEBVISION
    | {
        "training": {
            "network": "resnet50", "epochs": 300, "batch_size": 64, "augmentation": {"strong": "weak"},
            "optimizer": {"name": "sgd", "lr": 0.2, "weight_decay": 1e-4},
        }
    },
)  # fmt: skip
GJS: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.2,), "hyper": {"label_weight": 0.3}} | _FAST,
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.4,), "hyper": {"label_weight": 0.9}} | _FAST,
    {"dataset": "cifar10", "noise": _SYMMETRIC, "rates": (0.6, 0.8), "hyper": {"label_weight": 0.1}} | _FAST,
    {"dataset": "cifar10", "noise": _ASYMMETRIC, "hyper": {"label_weight": 0.3}} | _DECAYED,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.2,), "hyper": {"label_weight": 0.3}} | _GJS_HUNDRED,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.4,), "hyper": {"label_weight": 0.5}} | _GJS_HUNDRED,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.6,), "hyper": {"label_weight": 0.9}} | _GJS_HUNDRED,
    {"dataset": "cifar100", "noise": _SYMMETRIC, "rates": (0.8,), "hyper": {"label_weight": 0.1}} | _GJS_HUNDRED,
    {"dataset": "cifar100", "noise": _SUPERCLASS, "rates": (0.2,), "hyper": {"label_weight": 0.5}} | _GJS_MISTAKEN,
    {"dataset": "cifar100", "noise": _SUPERCLASS, "rates": (0.4,), "hyper": {"label_weight": 0.1}} | _GJS_MISTAKEN,
    _WEBVISION
    | {
        "training": {
            "network": "resnet50", "epochs": 300, "batch_size": 32, "augmentation": {"strong": "weak"},
            "optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 1e-4},
        }
    },
)  # fmt: skip
