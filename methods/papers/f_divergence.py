"""What the authors of robust f-divergences trained them with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10",
        "training": {"optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}},
        "source": "weijiaheng/Robust-f-divergence-measures",
        "deviations": (
            "epochs, schedule: 100 epochs, divided by 10 at 30, 60 and 90, after a warm-up whose length was not found",
        ),
    },
)  # fmt: skip
