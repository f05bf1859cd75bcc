"""Instance-dependent label noise as the CIFAR literature generates it (Xia et al. 2020, Part-dependent Label Noise).

Each image x of class y has a flip rate q from a normal (rate, std) truncated to [0, 1]; a flipped label is drawn from
the softmax over the other classes of x . W_y, where W_y is a matrix of standard normals, one per true class.
"""

from __future__ import annotations

import numpy as np

from datasets.base import FloatArray, IntArray, Pixels
from datasets.noise_draw import from_probabilities
from datasets.randomness import derive_seed, normals, uniforms

PIXELS = {"raw": 1.0, "unit": 1.0 / 255.0}
_GRID = 2.0**20


def flip_rates(rate: float, std: float, count: int, seed: int) -> FloatArray:
    """[count] float64 in [0, 1]: normal (rate, std) truncated to [0, 1], by its inverse distribution function."""
    from scipy.special import ndtr, ndtri

    low, high = ndtr((0.0 - rate) / std), ndtr((1.0 - rate) / std)
    drawn = rate + std * ndtri(low + (high - low) * uniforms(seed, count))
    return np.clip(np.asarray(drawn, dtype=np.float64), 0.0, 1.0)


def mean_flip_rate(rate: float, std: float) -> float:
    """The mean of `flip_rates`: above `rate` near 0 and below it near 1, because of the truncation."""
    from scipy.special import ndtr

    low, high = (0.0 - rate) / std, (1.0 - rate) / std
    density = [float(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)) for z in (low, high)]
    return rate + std * (density[0] - density[1]) / float(ndtr(high) - ndtr(low))


def projection(seed: int, true: int, features: int, num_classes: int) -> FloatArray:
    """W_y of class `true`: [features, C] float64, standard normals rounded to multiples of 2**-20.

    Pixels are whole numbers, so every partial sum of x . W is a multiple of 2**-20 below 2**33: float64 holds it
    exactly, and the scores are the same whatever the order in which a BLAS adds them.
    """
    drawn = normals(derive_seed(seed, "weights", true), features * num_classes)
    return np.rint(drawn.reshape(features, num_classes) * _GRID) / _GRID


def draw(
    pixels: Pixels, labels: IntArray, num_classes: int, rate: float, std: float, scale: float, seed: int
) -> tuple[IntArray, FloatArray]:
    """Noisy labels [N] and the mean transition probabilities [C, C] over the images of each class.

    pixels: [N, H, W, C] uint8, multiplied by `scale` (1: as they are; 1/255: to [0, 1]).
    """
    count = len(labels)
    flat = pixels.reshape(count, -1)
    flips = flip_rates(rate, std, count, derive_seed(seed, "flip rates"))
    points = uniforms(derive_seed(seed, "labels"), count)
    noisy = labels.copy()
    matrix = np.zeros((num_classes, num_classes))
    for true in range(num_classes):
        rows = np.flatnonzero(labels == true)
        if len(rows) == 0:
            continue
        scores = (flat[rows].astype(np.float64) @ projection(seed, true, flat.shape[1], num_classes)) * scale
        scores[:, true] = -np.inf
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = flips[rows, None] * scores / scores.sum(axis=1, keepdims=True)
        probabilities[:, true] = 1.0 - flips[rows]
        noisy[rows] = from_probabilities(probabilities, points[rows])
        matrix[true] = probabilities.mean(axis=0)
    return noisy, matrix
