"""What the authors of co-teaching trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LINEAR: dict[str, Any] = {"name": "linear", "start": 80, "beta1_after": 0.1, "update": "epoch"}
PROTOCOL: dict[str, Any] = {
    "network": "co_teaching_cnn", "epochs": 200, "batch_size": 128,
    "optimizer": {"name": "adam", "lr": 1e-3, "weight_decay": 0.0}, "schedule": _LINEAR,
    "augmentation": {"crop_padding": 0, "flip": False},
}  # fmt: skip
LATER = {"schedule": {**_LINEAR, "start": 100}}
_SOURCE = "bhanML/Co-teaching, main.py, model.py, loss.py; the forget rate is the noise rate, losses are divided twice"
_HYPER = {"authors_behaviour": True}

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "training": PROTOCOL, "hyper": _HYPER, "source": _SOURCE},
    {"dataset": "cifar100", "training": PROTOCOL | LATER, "hyper": _HYPER, "source": _SOURCE},
)
