"""Epochs of a fixed number of batches, drawn from a large training set class by class, as Clothing1M's papers do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from common.specification import Sampling

IntArray = npt.NDArray[np.int64]


def quotas(available: IntArray, count: int) -> IntArray:
    """[C] how many samples each class gives when `count` are shared out evenly; a small class gives all it has."""
    found = np.zeros_like(available)
    while count > found.sum() and (open_classes := np.flatnonzero(found < available)).size:
        left = count - found.sum()
        share = max(int(left // open_classes.size), 1)
        for label in open_classes[:left] if left < open_classes.size else open_classes:
            found[label] += min(share, available[label] - found[label])
    return found


def draw(labels: IntArray, count: int, balanced: bool, order: IntArray) -> IntArray:
    """Positions of at most `count` samples, none twice, in the order given by the permutation `order` of all of them.

    balanced: the same number from each class of `labels`, as far as they have it. Which classes give one more where
    the number does not divide is fixed: the first ones.
    """
    if not balanced:
        return order[:count]
    shuffled = labels[order]
    by_class = np.argsort(shuffled, kind="stable")
    available = np.bincount(shuffled)
    first = np.cumsum(available) - available
    rank = np.arange(len(order)) - first[shuffled[by_class]]
    kept = by_class[rank < quotas(available, count)[shuffled[by_class]]]
    return order[np.sort(kept)]


class Sampler:
    """Draws the rows of each epoch anew;"""

    def __init__(self, labels: IntArray, settings: Sampling) -> None:
        self._labels, self._batches, self._balanced = labels, settings.batches, settings.balanced

    def count(self, batch_size: int) -> int:
        """How many rows an epoch has, where the training set is large enough."""
        return min(self._batches * batch_size, len(self._labels))

    def rows(self, among: Tensor | None, batch_size: int, generator: Generator) -> Tensor:
        """[n] int64: rows for the suite's number of batches, drawn from `among` (None: all) by a CPU generator."""
        rows = np.arange(len(self._labels)) if among is None else among.cpu().numpy()
        order = torch.randperm(len(rows), generator=generator).numpy()
        return torch.from_numpy(rows[draw(self._labels[rows], self._batches * batch_size, self._balanced, order)])
