"""SCE: symmetric cross-entropy, also called SL (Wang, Ma, Chen, Luo, Yi, Bailey; ICCV 2019)."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import choice, real
from methods.papers.sce import PUBLISHED

LABEL_FLOOR = 1e-4  # what a zero of the one-hot label counts as inside the logarithm


def reverse_cross_entropy(logits: Tensor, labels: Tensor, floor: float = 0.0) -> Tensor:
    """[B]: -sum_c p_c log(onehot(y)_c clamped at 1e-4) = 9.21 sum_{c != y} p_c; natural logarithm.

    logits: [B, K] float; labels: [B] int64. floor: p is clamped to at least this, without gradient below it.
    """
    p = logits.softmax(1).clamp_min(floor)
    others = 1 - F.one_hot(labels, logits.shape[1]).to(p.dtype)
    return -math.log(LABEL_FLOOR) * (p * others).sum(1)


def sce_loss(
    logits: Tensor, labels: Tensor, alpha: float, beta: float, ce_floor: float = 0.0, rce_floor: float = 0.0
) -> Tensor:
    """mean_i alpha CE_i + beta RCE_i, a scalar.

    logits: [B, K] float; labels: [B] int64. The floors clamp p in the one term or the other, without gradient below.
    """
    ce = F.cross_entropy(logits, labels, reduction="none")
    if ce_floor > 0:
        ce = ce.clamp_max(-math.log(ce_floor))
    return (alpha * ce + beta * reverse_cross_entropy(logits, labels, rce_floor)).mean()


class SymmetricCrossEntropy(Method):
    """Cross-entropy and its reverse, in which label and prediction change places.

    Defaults are the authors' for CIFAR-10 (CIFAR-100: 6 and .1). The paper clamps no prediction; `clamp` = "authors"
    clamps p to 1e-7 in the cross-entropy (official Keras code), "reproduction" in the reverse term (HanxunH's code).
    """

    name = "sce"
    title = "SCE"
    family = "robust loss"
    year = 2019
    reference = "Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, ICCV 2019"
    published = PUBLISHED
    hyper = {
        "alpha": real(0.1, 0, 100, source="the authors' code, CIFAR-10"),
        "beta": real(1.0, 0, 100, source="the authors' code, CIFAR-10"),
        "clamp": choice("none", "authors", "reproduction", source="the paper has none"),
    }
    alpha: float
    beta: float
    clamp: str

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        ce_floor = 1e-7 if self.clamp == "authors" else 0.0
        rce_floor = 1e-7 if self.clamp == "reproduction" else 0.0
        return sce_loss(logits, batch.labels, self.alpha, self.beta, ce_floor, rce_floor)
