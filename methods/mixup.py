"""Mixup (Zhang, Cisse, Dauphin, Lopez-Paz; ICLR 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import real
from methods.papers.mixup import PUBLISHED


def mixup_loss(
    logits: Tensor, labels: Tensor, partner_labels: Tensor, share: float | Tensor, rest: float | Tensor | None = None
) -> Tensor:
    """share CE(z, y) + rest CE(z, y'), a scalar. logits: [B, K] float, of mixed images; labels: [B] int64.

    rest: 1 - share, rounded by itself; None: calculated.
    """
    rest = 1 - share if rest is None else rest
    return share * F.cross_entropy(logits, labels) + rest * F.cross_entropy(logits, partner_labels)


class Mixup(Method):
    """Trains on x = l x_i + (1 - l) x_j with the labels of both, l ~ Beta(alpha, alpha), one l a batch.

    Nothing is observed: the only logits of a step belong to mixed images.
    """

    name = "mixup"
    title = "Mixup"
    family = "regularisation"
    year = 2018
    reference = "Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018"
    marks = frozenset({"mixup"})
    published = PUBLISHED
    hyper = {
        "alpha": real(1.0, 0.001, 100, source="facebookresearch/mixup-cifar10"),
    }
    alpha: float

    def partners(self, size: int) -> Tensor:
        """[size] int64: for each sample of a batch, the position of the one it is mixed with."""
        return torch.randperm(size, generator=self.task.generator)

    def step_draws(self, batch_size: int) -> dict[str, Tensor]:
        """shares: [2] float32, l and 1 - l; partners: [B] int64."""
        share = float(self.task.rng.beta(self.alpha, self.alpha))
        return {"shares": torch.tensor([share, 1 - share]), "partners": self.partners(batch_size)}

    def loss(self, batch: Batch) -> Tensor:
        images = batch.views[0]
        draws = batch.draws or self.step_draws(len(images))  # a batch made by hand has none
        (share, rest), partners = draws["shares"].unbind(), draws["partners"]
        logits = self.network(share * images + rest * images[partners])
        return mixup_loss(logits, batch.labels, batch.labels[partners], share, rest)
