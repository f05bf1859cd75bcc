"""Epochs of a fixed number of batches, drawn from a large training set class by class, as Clothing1M's papers do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from common.specification import Sampling

IntArray = npt.NDArray[np.int64]


def quotas(available: IntArray, count: int) -> IntArray:
    """[C] how many samples each class gives when `count` are shared out evenly; a small class gives all it has."""
    quota = np.zeros_like(available)
    while count > quota.sum() and (open_classes := np.flatnonzero(quota < available)).size:
        left = count - quota.sum()
        share = max(int(left // open_classes.size), 1)
        for label in open_classes[:left] if left < open_classes.size else open_classes:
            quota[label] += min(share, available[label] - quota[label])
    return quota


def draw(labels: IntArray, count: int, balanced: bool, order: IntArray, top_up: bool = True) -> IntArray:
    """Positions of at most `count` samples, none twice, in the order given by the permutation `order` of all of them.

    balanced: the same number from each class of `labels`, as far as they have it. Which classes give one more where
    the number does not divide is fixed: the first ones. top_up: what a class lacks, the others give; without it, each
    class gives its share rounded up, until there are `count`.
    """
    if not balanced:
        return order[:count]
    shuffled = labels[order]
    by_class = np.argsort(shuffled, kind="stable")
    available = np.bincount(shuffled)
    first = np.cumsum(available) - available
    rank = np.arange(len(order)) - first[shuffled[by_class]]
    share = quotas(available, count)[shuffled[by_class]] if top_up else count / max(1, len(available))
    kept = by_class[rank < share]
    return order[np.sort(kept)][:count]


class Sampler:
    """Draws the rows of each epoch, anew or, for each network, once and for all.

    once: the generator (on the CPU) of what a network walks over in all epochs, by the number of its phase; None: all
    is drawn anew.
    """

    def __init__(self, labels: IntArray, settings: Sampling, once: Callable[[int], Generator] | None = None) -> None:
        self._labels, self._settings, self._once = labels, settings, once

    def count(self, batch_size: int) -> int:
        """How many rows an epoch has, where the training set is large enough."""
        return min(self._settings.batches * batch_size, len(self._labels))

    def rows(self, among: Tensor | None, batch_size: int, generator: Generator, number: int = 0) -> Tensor:
        """[n] int64: rows for the suite's number of batches, drawn from `among` (None: all) by a CPU generator.

        number: of the phase. Where each network has its own rows, those of them that are among `among`.
        """
        everything = np.arange(len(self._labels))
        if self._once is not None:
            own = self._drawn(everything, batch_size, self._once(number))
            return torch.from_numpy(own if among is None else own[np.isin(own, among.cpu().numpy())])
        return torch.from_numpy(
            self._drawn(everything if among is None else among.cpu().numpy(), batch_size, generator)
        )

    def _drawn(self, rows: IntArray, batch_size: int, generator: Generator) -> IntArray:
        order = torch.randperm(len(rows), generator=generator).numpy()
        count, chosen = self._settings.batches * batch_size, self._settings
        return rows[draw(self._labels[rows], count, chosen.balanced, order, chosen.top_up)]
