"""Mixup (Zhang, Cisse, Dauphin, Lopez-Paz; ICLR 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method


def mixup_loss(logits: Tensor, labels: Tensor, partner_labels: Tensor, share: float) -> Tensor:
    """share CE(z, y) + (1 - share) CE(z, y'), a scalar. logits: [B, K] float, of mixed images; labels: [B] int64."""
    return share * F.cross_entropy(logits, labels) + (1 - share) * F.cross_entropy(logits, partner_labels)


class Mixup(Method):
    """Trains on x = l x_i + (1 - l) x_j with the labels of both, l ~ Beta(alpha, alpha), one l a batch.

    Nothing is observed: the only logits of a step belong to mixed images.
    """

    name = "mixup"
    title = "Mixup"
    year = 2018
    reference = "Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018"
    marks = frozenset({"mixup"})
    hyper = {
        "alpha": {"default": 1.0, "bounds": (0.001, 100.0), "source": "facebookresearch/mixup-cifar10"},
    }
    alpha: float

    def partners(self, size: int) -> Tensor:
        """[size] int64: for each sample of a batch, the position of the one it is mixed with."""
        return torch.randperm(size, generator=self.task.generator)

    def loss(self, batch: Batch) -> Tensor:
        images = batch.views[0]
        share = float(self.task.rng.beta(self.alpha, self.alpha))
        partner = self.partners(len(images)).to(images.device)
        logits = self.network(share * images + (1 - share) * images[partner])
        return mixup_loss(logits, batch.labels, batch.labels[partner], share)
