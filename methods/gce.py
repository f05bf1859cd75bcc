"""GCE: generalized cross-entropy, plain and truncated (Zhang, Sabuncu; NeurIPS 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from methods.base import Batch, Method, Phase
from methods.hyper import epochs, real
from methods.papers.gce import PUBLISHED


def gce_losses(logits: Tensor, labels: Tensor, q: float, floor: float = 0.0) -> Tensor:
    """[B]: (1 - p_y^q) / q; cross-entropy for q towards 0, 1 - p_y at q = 1.

    logits: [B, K] float; labels: [B] int64. floor: p_y is clamped to at least this, without gradient below it.
    """
    log_p = logits.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
    if floor > 0:
        log_p = log_p.clamp_min(math.log(floor))
    return torch.expm1(q * log_p).div(-q)


def truncated_gce_loss(logits: Tensor, labels: Tensor, weights: Tensor, q: float, k: float) -> Tensor:
    """mean_i w_i ((1 - p_y^q)/q - (1 - k^q)/q), a scalar, up to a constant.

    weights: [B] float, 1 for a sample in use and 0 for a pruned one. The mean is over the whole batch, so the value can
    be negative.
    """
    return (weights * (gce_losses(logits, labels, q) - (1 - float(k**q)) / q)).mean()


def unpruned(logits: Tensor, labels: Tensor, k: float) -> Tensor:
    """[B] of the logits' dtype: 1 where p_y > k, that is where the loss lies below its bound, else 0."""
    p = logits.softmax(1).gather(1, labels[:, None]).squeeze(1)
    return (p > k).to(logits.dtype)


class GeneralizedCrossEntropy(Method):
    """A loss between cross-entropy (q towards 0) and mean absolute error (q = 1); no official code is public.

    `floor` is the clamp of p at 1e-7 that HanxunH/Active-Passive-Losses has; the paper has none.
    """

    name = "gce"
    title = "GCE"
    family = "robust loss"
    year = 2018
    reference = "Zhang, Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks, NeurIPS 2018"
    hyper = {
        "q": real(0.7, 0.001, 1, source="the paper"),
        "floor": real(0.0, 0, 0.1, source="the paper has none"),
    }
    q: float
    floor: float

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return gce_losses(logits, batch.labels, self.q, self.floor).mean()


class TruncatedGeneralizedCrossEntropy(Method):
    """GCE on the samples whose given label had a probability over `k` when last looked at.

    All samples are in use at first; from epoch `start` on, in each epoch whose number `every` divides, the choice is
    made anew with the network as it stands, on plain images (the unofficial code takes its best checkpoint on the test
    set, and augmented images).
    """

    name = "truncated_gce"
    title = "Truncated GCE"
    family = "robust loss"
    year = 2018
    reference = "Zhang, Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks, NeurIPS 2018"
    published = PUBLISHED
    hyper = {
        "q": GeneralizedCrossEntropy.hyper["q"],
        "k": real(0.5, 0, 1, source="the paper"),
        "start": epochs(0.333, 1, source="AlanChou/Truncated-Loss, CIFAR-10: 40 of 120 epochs"),
        "every": epochs(0.083, 1, source="AlanChou/Truncated-Loss, CIFAR-10: 10 of 120 epochs"),
    }
    q: float
    k: float
    start: int
    every: int
    weights: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("weights", torch.ones(self.task.num_samples))

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch >= max(2, self.start) and epoch % max(1, self.every) == 0:
            self.weights.copy_(unpruned(self.task.logits(self.network), self.task.labels, self.k))
        return [Phase()]

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        weights = self.weights[batch.index]
        batch.observe(logits, selected=weights)
        return truncated_gce_loss(logits, batch.labels, weights, self.q, self.k)
