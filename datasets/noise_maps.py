"""Who is mistaken for whom: target maps and transition matrices of the class-conditional noise models.

A target map is [C] int64: the label that a sample of each class gets when it is flipped (its own: it cannot flip). A
transition matrix is [C, C] float64, rows: true class, columns: given label.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from datasets.base import FloatArray, IntArray
from datasets.randomness import derive_seed, integers

BLOCK = 5
HOPELESS = "the task cannot be learnt from these labels"


def from_map(num_classes: int, mapping: Mapping[int, int]) -> IntArray:
    """The target map of a data set's `asymmetric_map`."""
    target = np.arange(num_classes, dtype=np.int64)
    for source, goal in mapping.items():
        target[source] = goal
    return target


def next_class(num_classes: int) -> IntArray:
    """Pair flip: i -> i + 1, the last class to the first (Han et al. 2018, Co-teaching)."""
    return np.roll(np.arange(num_classes, dtype=np.int64), -1)


def next_in_block(num_classes: int) -> IntArray:
    """The next id in each block of five consecutive ids, circular (Patrini et al. 2017 on CIFAR-100)."""
    ids = np.arange(num_classes, dtype=np.int64)
    return ids - ids % BLOCK + (ids % BLOCK + 1) % BLOCK


def next_in_superclass(superclass: tuple[int, ...]) -> IntArray:
    """The next id of the same superclass, circular in the order of the ids (Englesson and Azizpour 2021, GJS)."""
    groups = np.asarray(superclass, dtype=np.int64)
    target = np.arange(len(groups), dtype=np.int64)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        target[members] = np.roll(members, -1)
    return target


def random_pairs(num_classes: int, seed: int) -> IntArray:
    """One pair of classes per block of five, drawn from `seed`, is swapped; the other three keep their labels.

    This is what the CIFAR-100 generators of Wang et al. 2019 (SL) and Liu et al. 2022 (SOP) do.
    """
    target = np.arange(num_classes, dtype=np.int64)
    blocks = num_classes // BLOCK
    first = integers(derive_seed(seed, "first of the pair"), blocks, BLOCK)
    step = integers(derive_seed(seed, "second of the pair"), blocks, BLOCK - 1) + 1
    one = np.arange(blocks, dtype=np.int64) * BLOCK + first
    other = np.arange(blocks, dtype=np.int64) * BLOCK + (first + step) % BLOCK
    target[one], target[other] = other, one
    return target


def symmetric_matrix(num_classes: int, rate: float) -> FloatArray:
    """A share `rate` of each class gets a label drawn from all classes, the true one among them."""
    return (1.0 - rate) * np.eye(num_classes) + rate / num_classes


def symmetric_excluding_matrix(num_classes: int, rate: float) -> FloatArray:
    """A share `rate` of each class gets a label drawn from the other classes."""
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1.0 - rate)
    return matrix


def map_matrix(target: IntArray, rate: float) -> FloatArray:
    """A share `rate` of each class gets the label of the target map."""
    identity = np.eye(len(target))
    return (1.0 - rate) * identity + rate * identity[target]


def in_place_matrix(num_classes: int, mapping: Mapping[int, int], rate: float) -> FloatArray:
    """The map applied class by class, in ascending order, to labels that earlier classes have already changed.

    So with cat -> dog before dog -> cat, part of the cats come back: T[cat, dog] = rate (1 - rate).
    """
    matrix = np.eye(num_classes)
    for source in sorted(mapping):
        step = np.eye(num_classes)
        step[source, source] -= rate
        step[source, mapping[source]] += rate
        matrix = matrix @ step
    return matrix


def unlearnable_classes(matrix: FloatArray) -> IntArray:
    """The classes whose samples carry some wrong label at least as often as the right one."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, -1.0)
    seen = matrix.sum(axis=1) > 0
    return np.flatnonzero(seen & (wrong.max(axis=1) >= np.diag(matrix) - 1e-12))
