"""SELC: self-ensemble label correction (Lu, He; IJCAI 2022)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import epochs, real
from methods.papers.selc import PUBLISHED


def selc_targets(targets: Tensor, logits: Tensor, momentum: float) -> Tensor:
    """[B, K]: t <- a t + (1 - a) p, detached. targets, logits: [B, K] float."""
    return momentum * targets + (1 - momentum) * logits.detach().softmax(1)


def selc_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """-mean_i sum_c t_c log p_c, a scalar. logits, targets: [B, K] float; targets are constants."""
    return -(targets.detach() * logits.log_softmax(1)).sum(1).mean()


class SelfEnsembleLabelCorrection(Method):
    """Cross-entropy for `start` epochs; after them the targets follow the predictions, updated before each loss."""

    name = "selc"
    title = "SELC"
    family = "label refurbishment"
    year = 2022
    reference = "Lu, He, SELC: Self-Ensemble Label Correction Improves Learning with Noisy Labels, IJCAI 2022"
    published = PUBLISHED
    hyper = {
        "momentum": real(0.9, 0, 1, search=(0.5, 0.99), source="MacLLL/SELC, CIFAR (alpha)"),
        "start": epochs(
            0.2, source="MacLLL/SELC, CIFAR-10 symmetric 20%: 40 of 200 epochs (es; 30 or 40 at other rates)"
        ),
    }
    momentum: float
    start: int
    targets: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("targets", F.one_hot(self.task.labels, self.task.num_classes).float())

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        if batch.epoch <= self.start:
            return F.cross_entropy(logits, batch.labels)
        targets = selc_targets(self.targets[batch.index], logits, self.momentum)
        self.targets[batch.index] = targets
        return self.corrected_loss(logits, targets)

    def corrected_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss after `start`, with the targets of this step."""
        return selc_loss(logits, targets)
