"""Drawing noisy labels of the class-conditional models from a seed. Nothing here looks at images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from datasets.base import FloatArray, IntArray
from datasets.randomness import derive_seed, integers, permutation, uniforms

SAMPLINGS = {
    "exact": "int(rate * N) rows, drawn over the whole training set",
    "exact_per_class": "int(rate * n) rows of each class of n rows",
    "per_sample": "each row by itself, with probability rate",
}


def chosen_rows(labels: IntArray, rate: float, sampling: str, seed: int) -> npt.NDArray[np.bool_]:
    """[N] bool: the rows whose label is drawn anew, by one of SAMPLINGS."""
    n = len(labels)
    if sampling == "per_sample":
        return uniforms(derive_seed(seed, "rows"), n) < rate
    order = permutation(derive_seed(seed, "rows"), n)
    chosen = np.zeros(n, dtype=bool)
    if sampling == "exact":
        chosen[order[: int(rate * n)]] = True
        return chosen
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        chosen[rows[: int(rate * len(rows))]] = True
    return chosen


def symmetric(labels: IntArray, num_classes: int, chosen: npt.NDArray[np.bool_], seed: int) -> IntArray:
    """Chosen rows get a label drawn from all classes, the true one among them."""
    drawn = integers(derive_seed(seed, "labels"), len(labels), num_classes)
    return np.where(chosen, drawn, labels)


def symmetric_excluding(labels: IntArray, num_classes: int, chosen: npt.NDArray[np.bool_], seed: int) -> IntArray:
    """Chosen rows get a label drawn from the other classes."""
    drawn = integers(derive_seed(seed, "labels"), len(labels), num_classes - 1)
    return np.where(chosen, drawn + (drawn >= labels), labels)


def in_place(labels: IntArray, mapping: Mapping[int, int], rate: float, seed: int) -> IntArray:
    """Class by class in ascending order, int(rate * n) of the n rows that carry the class by now are moved."""
    current = labels.copy()
    for source in sorted(mapping):
        rows = np.flatnonzero(current == source)
        order = permutation(derive_seed(seed, "rows", source), len(rows))
        current[rows[order[: int(rate * len(rows))]]] = mapping[source]
    return current


def from_probabilities(probabilities: FloatArray, points: FloatArray) -> IntArray:
    """One label per row of `probabilities` [N, C]: where `points` [N], uniform on [0, 1), fall in the row's sum."""
    cumulative = np.cumsum(probabilities, axis=1)
    cumulative /= cumulative[:, -1:]
    return np.asarray((points[:, None] >= cumulative).sum(axis=1), dtype=np.int64)


def from_matrix(labels: IntArray, matrix: FloatArray, seed: int) -> IntArray:
    """Each row's label is drawn by itself from its class's row of the transition matrix."""
    return from_probabilities(matrix[labels], uniforms(derive_seed(seed, "labels"), len(labels)))
