"""Cross-entropy on the given labels: the baseline that every other method is compared with."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method


class CrossEntropy(Method):
    """L = mean_i -log p_i[y_i], with nothing done about wrong labels."""

    name = "cross_entropy"
    title = "Cross-entropy"
    family = "baseline"
    year = 1989
    reference = "the standard training loss of a softmax classifier (Bridle, 1989)"

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)
