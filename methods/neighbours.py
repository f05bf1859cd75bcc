"""Votes of the nearest neighbours in feature space, and which labels they vouch for."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from common.float64 import with_float64
from methods.selection import smallest_by_class

CHUNK = 500  # rows that are compared with all others at once


def neighbour_votes(features: Tensor, labels: Tensor, num_classes: int, k: int, itself: bool) -> Tensor:
    """[N, K]: how many of a sample's k nearest neighbours, by the cosine of their features, have each label.

    features: [N, F]; labels: [N] int64. itself: whether a sample is among its own neighbours.
    """
    directions, given = F.normalize(features), F.one_hot(labels, num_classes).to(features.dtype)
    votes = []
    for start in range(0, len(features), CHUNK):
        likeness = directions[start : start + CHUNK] @ directions.T
        if not itself:
            likeness.diagonal(start).fill_(-torch.inf)
        votes.append(given[likeness.topk(k, 1).indices].sum(1))
    return torch.cat(votes)


class Detection(NamedTuple):
    """What neighbours say of the given labels.

    agreed: [N] bool, whether the second vote is for the label. first, second: [N], the discrepancies,
    -log of the share of votes for it, in [.01, .99].
    """

    agreed: Tensor
    first: Tensor
    second: Tensor


def detection(features: Tensor, labels: Tensor, num_classes: int, k: int) -> Detection:
    """Two votes of the k nearest neighbours: by the given labels, and by what the first vote has made of these."""

    def discrepancy(votes: Tensor) -> Tensor:
        share = votes.gather(1, labels[:, None]).squeeze(1) / votes.sum(1)
        return -share.clamp(0.01, 0.99).log()

    first = neighbour_votes(features, labels, num_classes, k, itself=False)
    second = neighbour_votes(features, first.argmax(1), num_classes, k, itself=False)
    return Detection(second.argmax(1) == labels, discrepancy(first), discrepancy(second))


def balanced(detected: Detection, labels: Tensor, num_classes: int, quantile: float) -> Tensor:
    """[N] bool: of every class as many samples, those of smallest second discrepancy.

    As many as the classes' numbers of agreeing samples have at the quantile; at .5 the lower of two medians.
    """
    counts = with_float64(torch.bincount(labels[detected.agreed], minlength=num_classes)).double()
    quota = counts.median() if quantile == 0.5 else counts.quantile(quantile)
    return smallest_by_class(detected.second, labels, num_classes, int(quota))
