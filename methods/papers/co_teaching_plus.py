"""What the authors of co-teaching+ trained it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from methods.papers.co_teaching import PROTOCOL

_SOURCE = (
    "xingruiyu/coteaching_plus, main.py, loss.py: Adam 1e-3, linear to 0 from epoch 80 of 200 (on CIFAR-100 too), "
    "beta1 .1 then, batch 128, no augmentation; forget rate the noise rate; losses of softmax(softmax), divided twice"
)
_HYPER = {"authors_behaviour": True}
_DEVIATIONS = (
    "images are normalised by mean and deviation, the authors' lie in [0, 1]; the last batch is kept; the authors' "
    "loop leaves out the first of its 200 epochs, here all are trained",
)

PUBLISHED: tuple[Mapping[str, Any], ...] = (
    {
        "dataset": "cifar10", "hyper": {"warm_up": 20, **_HYPER}, "training": {**PROTOCOL, "network": "cnn_small"},
        "source": _SOURCE, "deviations": _DEVIATIONS,
    },
    {
        "dataset": "cifar100", "hyper": {"warm_up": 5, **_HYPER},
        "training": {**PROTOCOL, "network": "jocor_cnn"}, "source": _SOURCE, "deviations": _DEVIATIONS,
    },
)  # fmt: skip
