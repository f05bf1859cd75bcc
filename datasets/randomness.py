"""Random numbers that stay the same for ever: raw words of PCG64, turned into numbers by our own arithmetic.

NumPy guarantees the words of its bit generators but not its distributions, so none of the latter is used for anything
that must be equal on another machine or in a later year (noisy labels, splits, subsets).
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import numpy.typing as npt

from datasets.base import FloatArray, IntArray


def derive_seed(*parts: str | int) -> int:
    """A 128-bit seed for the purpose that `parts` name: the first half of the SHA-256 of their JSON list."""
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:16], "big")


def _words(seed: int, count: int) -> npt.NDArray[np.uint64]:
    return np.asarray(np.random.PCG64(seed).random_raw(count), dtype=np.uint64)


def uniforms(seed: int, count: int) -> FloatArray:
    """[count] float64, uniform on [0, 1): the upper 53 bits of each PCG64 word."""
    return (_words(seed, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def integers(seed: int, count: int, bound: int) -> IntArray:
    """[count] int64, uniform on 0 .. bound - 1 (bias below bound / 2**53)."""
    return np.floor(uniforms(seed, count) * bound).astype(np.int64)


def permutation(seed: int, n: int) -> IntArray:
    """[n] int64: the order of n uniforms (stable)."""
    return np.argsort(uniforms(seed, n), kind="stable").astype(np.int64)


def normals(seed: int, count: int) -> FloatArray:
    """[count] float64, standard normal: the inverse distribution function at the midpoints of 2**52 equal cells."""
    from scipy.special import ndtri

    middles = ((_words(seed, count) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return np.asarray(ndtri(middles), dtype=np.float64)
