"""What the authors of NLNL trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HYPER = {"negative_epochs": 720, "selective_epochs": 720, "positive_epochs": 720, "pseudo_rounds": 2, "cut": 0.5}
_ENTRY: dict[str, Any] = {
    "training": {
        "network": "resnet34", "epochs": 3120, "batch_size": 128,
        "optimizer": {"name": "sgd", "lr": 0.02, "weight_decay": 1e-4},
    },
    "source": "ydkim1293/NLNL-Negative-Learning-for-Noisy-Labels, main_NL.py, main_PL.py",
    "deviations": ("schedule: the authors' milestones were not read",),
}  # fmt: skip

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {"dataset": "cifar10", "hyper": {**_HYPER, "complementary": 1}} | _ENTRY,
    {"dataset": "cifar100", "hyper": {**_HYPER, "complementary": 110}} | _ENTRY,
)
