"""Active and negative losses, which ANL-CE and ANL-FL add up (Ye, Li, Dai, Wang; NeurIPS 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

FLOOR = 1e-7  # the least probability that the negative losses tell from 0: their A is -log of it


def negative_cross_entropy(logits: Tensor, labels: Tensor, floor: float = FLOOR, ceiling: float = 1.0) -> Tensor:
    """[B]: NNCE, 1 - (A + log p_y) / sum_c (A + log p_c) with A = -log floor. logits: [B, K] float; labels: [B] int64.

    p is clamped to [floor, ceiling], without gradient beyond.
    """
    above = logits.log_softmax(1).clamp(math.log(floor), math.log(ceiling)) - math.log(floor)
    return 1 - above.gather(1, labels[:, None]).squeeze(1) / above.sum(1)


def focal_terms(log_p: Tensor, gamma: float) -> Tensor:
    """-(1 - p)^gamma log p of each entry; the factor is a constant, as in the authors' code. log_p: float."""
    factor = torch.pow((1 - log_p.detach().exp()).clamp_min(0), gamma)
    return -factor * log_p


def normalized_focal(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """[B]: NFL, f_y / sum_c f_c with the focal terms f. logits: [B, K] float; labels: [B] int64."""
    terms = focal_terms(logits.log_softmax(1), gamma)
    return terms.gather(1, labels[:, None]).squeeze(1) / terms.sum(1)


def negative_focal(logits: Tensor, labels: Tensor, gamma: float, floor: float = FLOOR) -> Tensor:
    """[B]: NNFL, 1 - (A - f_y) / sum_c (A - f_c) with A the focal term of `floor`, under which p is clamped.

    logits: [B, K] float; labels: [B] int64.
    """
    most: float = -((1 - floor) ** gamma) * math.log(floor)
    below = most - focal_terms(logits.log_softmax(1).clamp_min(math.log(floor)), gamma)
    return 1 - below.gather(1, labels[:, None]).squeeze(1) / below.sum(1)


def entropy_gap(logits: Tensor, floor: float = FLOOR) -> Tensor:
    """log K less the entropy of the batch's mean prediction: 0 where all classes are predicted alike. A scalar.

    logits: [B, K] float. p is clamped to [floor, 1 - floor] before and after the mean.
    """
    p = logits.softmax(1).clamp(floor, 1 - floor)
    share = (p.sum(0) / p.sum()).clamp(floor, 1 - floor)
    return math.log(logits.shape[1]) + (share * share.log()).sum()


def absolute_sum(parameters: Iterable[Tensor]) -> Tensor:
    """The sum of absolute values over all `parameters`, a scalar."""
    return torch.stack([parameter.abs().sum() for parameter in parameters]).sum()
