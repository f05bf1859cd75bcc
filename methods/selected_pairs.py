"""Sel-CL's pairs: which samples of one label are alike enough to be drawn together (Li et al.; CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from methods.contrastive import apart

FLOOR = 1e-7  # under the arguments of logarithms, as in the authors' code


def pair_threshold(features: Tensor, labels: Tensor, selected: Tensor, num_classes: int, quantile: float) -> float:
    """The quantile of the likeness of two selected samples of one label, or of one with itself; inf without any.

    features: [N, D] float of length 1; labels: [N] int64; selected: [N] bool.
    """
    if not selected.any():
        return float("inf")
    by_class = [features[selected & (labels == label)] for label in range(num_classes)]
    return float(np.quantile(np.concatenate([(own @ own.T).flatten().cpu().numpy() for own in by_class]), quantile))


def are_pairs(labels: Sequence[Tensor], features: Sequence[Tensor], selected: Sequence[Tensor], bar: Tensor) -> Tensor:
    """[n, m] bool: same label, and both selected or alike by at least `bar`, a scalar. Each of n samples and of m."""
    alike = features[0] @ features[1].T >= bar
    return (labels[0][:, None] == labels[1]) & (alike | (selected[0][:, None] & selected[1]))


def similarity_loss(probabilities: Tensor, major: Tensor, minor: Tensor, portions: Tensor) -> Tensor:
    """Binary cross-entropy of p_i . p_j against whether i and j belong together, a scalar, the mean over all i, j.

    probabilities: [2 B, K]; major, minor: [2 B, 2 B], as of the larger and the smaller part of i; portions: [2].
    """
    likeness = probabilities @ probabilities.T
    together, apart_from = (likeness + FLOOR).log(), (1 - likeness + FLOOR).log()
    portion = portions.repeat_interleave(len(major) // 2)[:, None]
    wanted = portion * major + (1 - portion) * minor
    losses = -(wanted * together + (1 - wanted) * apart_from)
    return (losses * apart(len(major), major.device)).mean()
