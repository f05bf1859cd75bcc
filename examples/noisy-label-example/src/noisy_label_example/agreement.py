"""Cross-entropy on a plain view, and agreement with what a dimmed view of the same image gets."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import real
from noisy_label_example.losses import disagreement


class Agreement(Method):
    """Cross-entropy, and a penalty where two views of an image are predicted differently."""

    name = "agreement"
    title = "Agreement"
    year = 2026
    reference = "an example; after Sajjadi et al., Regularization With Stochastic Transformations, NeurIPS 2016"
    passes_per_step = 2.0
    views = ("weak", "dimmed")
    hyper = {"weight": real(1.0, 0, 100, source="an example")}
    weight: float

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        others = self.network(batch.views[1])
        return F.cross_entropy(logits, batch.labels) + self.weight * disagreement(logits, others)
