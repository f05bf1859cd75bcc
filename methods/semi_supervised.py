"""What the semi-supervised methods share: ramps, sharpening, mixing, and the two losses of MixMatch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor


def linear_ramp(clock: float, start: float, length: float) -> float:
    """0 until `start`, then linearly to 1 over `length`, all in epochs; a step where `length` is 0."""
    if length <= 0:
        return float(clock >= start)
    return min(max((clock - start) / length, 0.0), 1.0)


def sigmoid_ramp(clock: float, length: float) -> float:
    """exp(-5 (1 - clock / length)^2), 1 from `length` on (Laine, Aila, ICLR 2017)."""
    if clock >= length:
        return 1.0
    return math.exp(-5 * (1 - clock / length) ** 2)


def network_clock(progress: float, epoch: int, number: int, count: int) -> float:
    """The run's clock as network `number` sees it when each of `count` networks takes an equal part of the epoch.

    It runs from epoch - 1 to epoch within that network's part.
    """
    return epoch - 1 + count * (progress - (epoch - 1)) - number


def rows_where(mask: Tensor) -> Tensor:
    """[n] int64: the rows where `mask` [N] is true; none where it is only one, too few for batch normalisation."""
    rows = mask.nonzero()[:, 0]
    return rows if len(rows) > 1 else rows[:0]


def mean_probability(logits: Sequence[Tensor]) -> Tensor:
    """[B, K]: the mean of the softmax of each [B, K]."""
    return torch.stack([part.softmax(1) for part in logits]).mean(0)


def sharpened(probabilities: Tensor, temperature: float) -> Tensor:
    """[B, K]: p^(1/T), normalised to sum to 1 in every row. As in MixMatch (Berthelot et al., 2019).

    T from .1 on: below, float32 has no power of an even prediction among many classes but 0.
    """
    powered = probabilities ** (1 / temperature)
    return powered / powered.sum(1, keepdim=True)


def mixed(values: Tensor, partner: Tensor, share: float) -> Tensor:
    """share * v_i + (1 - share) * v_partner(i) along the first axis. partner: [n] int64."""
    return share * values + (1 - share) * values[partner]


def larger_share(rng: np.random.Generator, alpha: float) -> float:
    """max(l, 1 - l) for l ~ Beta(alpha, alpha), so that a mixture stays nearer to its first part."""
    share = float(rng.beta(alpha, alpha))
    return max(share, 1 - share)


def mixture(
    views: Sequence[Tensor], targets: Sequence[Tensor], share: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """The views one after the other, and their targets, each row mixed with a random row of the whole.

    views: [b, C, H, W] each; targets: [b, K] each, one per view. Returns [n, C, H, W] and [n, K], n rows in all.
    """
    images, wanted = torch.cat(list(views)), torch.cat(list(targets))
    partner = torch.randperm(len(images), generator=generator).to(images.device)
    return mixed(images, partner, share), mixed(wanted, partner, share)


def soft_cross_entropy(logits: Tensor, targets: Tensor, class_weight: Tensor | None = None) -> Tensor:
    """-mean_i sum_c w_c t_ic log p_ic, a scalar; 0 without a row. logits, targets: [B, K] float; class_weight: [K]."""
    weighted = targets if class_weight is None else targets * class_weight
    return -(weighted * logits.log_softmax(1)).sum() / max(1, len(logits))


def squared_difference(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean over rows and classes of (p - t)^2, a scalar; 0 without a row. logits, targets: [B, K] float."""
    return ((logits.softmax(1) - targets) ** 2).sum() / max(1, logits.numel())
