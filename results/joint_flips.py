"""One sign-flip test of many comparisons at a time: what holds the level over all of them, and finds the most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from results.inference import TIE, Floats

ENUMERATED = 14
"""Up to this many blocks all sign vectors are counted."""
VECTORS = 10_000
"""How many sign vectors are drawn beyond, the observed one among them."""

_AT_ONCE = 2**21


@dataclass(frozen=True)
class JointFlips:
    """Of each comparison: p, adjusted for all of them, and the smallest that its sizes could have reached.

    vectors: how many sign vectors were looked at. exact: all there are.
    """

    p: Floats
    smallest: Floats
    vectors: int
    exact: bool


def joint_sign_flips(blocks: Floats, vectors: int = VECTORS) -> JointFlips:
    """Test all comparisons together by flipping the sign of whole blocks (step-down max-T, Westfall and Young 1993).

    blocks: [n, comparisons], each block's weighted difference; 0 where a comparison lacks the block. A comparison's
    statistic is the absolute sum of its column over the root of its sum of squares, which no flip changes: alone it is
    tested as by `sign_flip_test`. Its p is the share of the sign vectors for which the largest statistic, among
    the comparisons that are no clearer than it, is at least its own. The chance that any of the comparisons without a
    difference has p <= a is at most a, whatever the others are, where blocks are symmetric around 0 in common.
    A column of zeros has p = 1. The vectors drawn are the same every time.
    """
    signs, exact = _signs(len(blocks), vectors)
    if not blocks.size:
        return JointFlips(np.ones(blocks.shape[1]), np.ones(blocks.shape[1]), len(signs), exact)
    scale = np.sqrt((blocks**2).sum(0))
    scaled = blocks / np.where(scale > TIE, scale, np.inf)
    observed = np.abs(scaled.sum(0))
    order = np.argsort(observed, kind="stable")
    scaled, least = scaled[:, order], observed[order] - TIE
    most = np.abs(scaled).sum(0) - TIE
    above, reached = np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
    for part in np.array_split(signs, max(1, signs.shape[0] * len(order) // _AT_ONCE)):
        largest = np.maximum.accumulate(np.abs(part @ scaled), axis=1)
        above += (largest >= least).sum(0)
        reached += len(part) - np.searchsorted(np.sort(largest[:, -1]), most, side="left")
    p_values, smallest = np.empty(len(order)), np.empty(len(order))
    # a comparison may not be clearer than one whose statistic is larger
    p_values[order] = np.maximum.accumulate((above / len(signs))[::-1])[::-1]
    smallest[order] = reached / len(signs)
    return JointFlips(p_values, smallest, len(signs), exact)


def _signs(count: int, vectors: int) -> tuple[Floats, bool]:
    """Sign vectors [v, count], the observed one first, and whether these are all.

    Of a vector and its opposite, which give the same statistics, one is enough.
    """
    free = max(count - 1, 0)
    if count <= ENUMERATED and 2**free <= vectors:
        bits = np.arange(2**free)[:, None] >> np.arange(free) & 1
        exact = True
    else:
        words = np.random.PCG64(0).random_raw(
            (vectors, -(-free // 64))
        )  # raw words: the same in every version of NumPy
        bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1)[:, :free].astype(np.int64)
        bits[0], exact = 0, False
    return np.hstack([np.ones((len(bits), min(count, 1))), 1.0 - 2.0 * bits]), exact
