"""ELR: early-learning regularization (Liu, Niles-Weed, Razavian, Fernandez-Granda; NeurIPS 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import real
from methods.papers.elr import PUBLISHED

CLAMP = 1e-4  # probabilities are kept inside [CLAMP, 1 - CLAMP], as in the authors' code


def elr_targets(targets: Tensor, logits: Tensor, momentum: float) -> Tensor:
    """The batch's running targets after this step: t <- m t + (1 - m) p / sum(p), detached.

    targets, logits: [B, K] float32 or float64. Returns [B, K] of the logits' dtype.
    """
    p = logits.detach().softmax(1).clamp(CLAMP, 1 - CLAMP)
    return momentum * targets + (1 - momentum) * p / p.sum(1, keepdim=True)


def elr_regulariser(logits: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """lambda mean_i log(1 - <p_i, t_i>), a scalar. logits, targets: [B, K] float; targets are constants."""
    p = logits.softmax(1).clamp(CLAMP, 1 - CLAMP)
    agreement = (p * targets.detach()).sum(1)
    return penalty * torch.log1p(-agreement).mean()


def elr_terms(logits: Tensor, labels: Tensor, targets: Tensor, penalty: float) -> dict[str, Tensor]:
    """The terms of L = CE(z, y) + lambda mean_i log(1 - <p_i, t_i>), which is their sum; a scalar each.

    logits, targets: [B, K] float; labels: [B] int64. `targets` are those after this step's update.
    """
    return {
        "cross_entropy": F.cross_entropy(logits, labels),
        "regulariser": elr_regulariser(logits, targets, penalty),
    }


class EarlyLearningRegularization(Method):
    """Cross-entropy and a pull towards the network's own running predictions of each sample.

    Defaults are the authors' for CIFAR-10 with symmetric noise (asymmetric: .9 and 1; CIFAR-100: .9 and 7).
    """

    name = "elr"
    title = "ELR"
    family = "regularisation"
    year = 2020
    reference = "Liu et al., Early-Learning Regularization Prevents Memorization of Noisy Labels, NeurIPS 2020"
    published = PUBLISHED
    hyper = {
        # searched are the authors' grids
        "momentum": real(0.7, 0, 1, search=(0.5, 0.99), source="shengliu66/ELR, CIFAR-10 symmetric (beta)"),
        "penalty": real(
            3.0, 0, 100, scale="log", search=(1.0, 10.0), source="shengliu66/ELR, CIFAR-10 symmetric (lambda)"
        ),
    }
    momentum: float
    penalty: float
    targets: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("targets", torch.zeros(self.task.num_samples, self.task.num_classes))

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        targets = elr_targets(self.targets[batch.index], logits, self.momentum)
        self.targets[batch.index] = targets
        terms = elr_terms(logits, batch.labels, targets, self.penalty)
        batch.terms(**terms)
        return terms["cross_entropy"] + terms["regulariser"]
