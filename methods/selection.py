"""How samples are selected evenly by class."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.two_networks import smallest


def smallest_by_class(values: Tensor, labels: Tensor, num_classes: int, quota: int) -> Tensor:
    """[N] bool: of every class the `quota` samples of smallest value, all where it has fewer.

    values: [N] float; labels: [N] int64.
    """
    selected = torch.zeros_like(labels, dtype=torch.bool)
    for label in range(num_classes):
        rows = (labels == label).nonzero()[:, 0]
        selected[rows[smallest(values[rows], quota)]] = True
    return selected
