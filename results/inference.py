"""Intervals, the exact sign-flip test and Holm's correction, on plain arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Confidence level of all intervals."""
MINIMUM_PAIRS = 6
"""Below this many pairs the sign-flip test can't reach p < 0.05 (2 / 2^5 = 0.0625): nothing is tested."""
TIE = 1e-9
"""Differences of accuracies smaller than this are none: accuracies are counts of hits, and one hit more makes at least
so much, be it in one of ten epochs of one of 100 seeds on a million images. What is smaller is rounding."""

_ENUMERATED = 36
_GRID_LIMIT = 2**22


def paired_interval(differences: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """Interval of the mean difference by Student's t; (NaN, NaN) for fewer than two pairs: one run has no spread."""
    values = np.asarray(differences, dtype=np.float64)
    count = len(values)
    if count < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * float(values.std(ddof=1)) / math.sqrt(count)
    mean = float(values.mean())
    return mean - half, mean + half


def welch_interval(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """Interval of the difference of means, `first` minus `second`, of unpaired samples of unequal variance.

    (NaN, NaN) where either has fewer than two values.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if min(len(a), len(b)) < 2:
        return math.nan, math.nan
    parts = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    mean, error = float(a.mean() - b.mean()), math.sqrt(sum(parts))
    if error == 0:
        return mean, mean
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return mean - half, mean + half


@dataclass(frozen=True)
class SignFlip:
    """A two-sided sign-flip test. `p` is NaN, and `smallest` what could have been reached, below MINIMUM_PAIRS pairs.

    n: pairs. mean: their (weighted) mean difference. smallest: the smallest p that this many pairs can give.
    resolution: 0 where all sign vectors were counted with the differences as they are, else the step to which the
    differences were rounded before.
    """

    n: int
    mean: float
    p: float
    smallest: float
    resolution: float = 0.0

    @property
    def testable(self) -> bool:
        return self.n >= MINIMUM_PAIRS


def sign_flip_test(differences: ArrayLike, weights: ArrayLike | None = None) -> SignFlip:
    """Exact two-sided test of a symmetric distribution around 0, by flipping the signs of paired differences.

    p is the share of all 2^n sign vectors whose absolute sum, weighted where `weights` (positive, one a difference)
    are given, is at least the observed one. Up to 36 non-zero
    differences all vectors are counted (meeting in the middle: two halves of 2^18 sums). Beyond, the distribution of
    the sum is computed exactly on a grid: differences rounded to 1e-6, or coarser where the grid would exceed 2^22
    points (`resolution` says so); rounding can only raise p. Zeros count as pairs, but flipping them changes nothing.
    """
    values = np.asarray(differences, dtype=np.float64)
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    weighted = values * shares
    count, mean = len(values), float(weighted.sum() / shares.sum()) if len(values) else math.nan
    smallest = min(1.0, 2.0 ** (1 - count))
    if count < MINIMUM_PAIRS:
        return SignFlip(count, mean, math.nan, smallest)
    moved = weighted[np.abs(values) > TIE * max(1.0, float(np.abs(values).max()))]
    if len(moved) <= _ENUMERATED:
        return SignFlip(count, mean, _enumerated(moved), smallest)
    p, resolution = _on_grid(moved)
    return SignFlip(count, mean, p, smallest, resolution)


def _sums(values: Floats) -> Floats:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _enumerated(values: Floats) -> float:
    size = np.abs(values)
    threshold = abs(float(values.sum())) - TIE * max(float(size.sum()), 1.0)
    if threshold <= 0:
        return 1.0
    middle = len(values) // 2
    first, second = _sums(size[:middle]), np.sort(_sums(size[middle:]))
    above = len(second) - np.searchsorted(second, threshold - first, side="left")
    return float(2 * int(above.sum()) / 2 ** len(values))


def _on_grid(values: Floats) -> tuple[float, float]:
    for step in (1e-6, 1e-5, 1e-4, 1e-3):
        whole = np.rint(values / step).astype(np.int64)
        unit = int(np.gcd.reduce(whole))
        total = int(np.abs(whole).sum()) // max(unit, 1)
        if total <= _GRID_LIMIT:
            break
    exact = bool(np.all(np.abs(values / step - whole) < 1e-4))
    slack = 0 if exact else len(values)  # rounding moves the observed sum and an enumerated one by half a step a pair
    weights = np.abs(whole) // max(unit, 1)
    chance = np.zeros(total + 1)  # of the sum of those differences that are taken as positive
    chance[0], reached = 1.0, 0
    for weight in weights:
        chance[: reached + 1] /= 2
        reached += int(weight)
        chance[int(weight) : reached + 1] += chance[: reached + 1 - int(weight)].copy()
    threshold = (abs(int(whole.sum())) - slack) / max(unit, 1)
    sums = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(chance[sums >= threshold].sum())), 0.0 if exact else step


def holm(p_values: ArrayLike, family: int | None = None) -> Floats:
    """Holm's step-down adjustment; [n] -> [n], NaN stays NaN.

    `family`: how many tests were declared beforehand (default: all n, the untestable ones included).
    """
    values = np.asarray(p_values, dtype=np.float64)
    size = max(family or 0, len(values))
    adjusted, running = np.full(len(values), math.nan), 0.0
    tested = [int(i) for i in np.argsort(values, kind="stable") if not math.isnan(values[i])]
    for rank, position in enumerate(tested):
        running = max(running, min(1.0, (size - rank) * float(values[position])))
        adjusted[position] = running
    return adjusted
