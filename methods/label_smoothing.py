"""Label smoothing with a positive or negative rate (Szegedy et al., CVPR 2016; Wei et al., ICML 2022)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import epochs, real


def label_smoothing_loss(logits: Tensor, labels: Tensor, rate: float) -> Tensor:
    """mean_i (1 - rate) (-log p_y) + rate mean_c (-log p_c), a scalar. logits: [B, K] float; labels: [B] int64."""
    uniform = -logits.log_softmax(1).mean()
    return (1 - rate) * F.cross_entropy(logits, labels) + rate * uniform


class LabelSmoothing(Method):
    """Cross-entropy with targets moved towards (rate > 0) or away from (rate < 0) the uniform distribution.

    A negative rate wants a network trained with cross-entropy first: `warm_up` epochs of it. The weights are those of
    the generalised form a CE + b LS in the authors' code of negative smoothing.
    """

    name = "label_smoothing"
    title = "Label smoothing"
    family = "regularisation"
    year = 2016
    reference = (
        "Szegedy et al., CVPR 2016; Wei et al., To Smooth or Not? When Label Smoothing Meets Noisy Labels, ICML 2022"
    )
    hyper = {
        "rate": real(0.1, -50, 1, source="Szegedy et al."),
        "warm_up": epochs(0, source="UCSC-REAL/negative-label-smoothing: only at high noise"),
        "ce_weight": real(0.0, 0, 100, source="UCSC-REAL/negative-label-smoothing (wa)"),
        "smooth_weight": real(1.0, 0, 100, source="UCSC-REAL/negative-label-smoothing (wb)"),
    }
    rate: float
    warm_up: int
    ce_weight: float
    smooth_weight: float

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        ce = F.cross_entropy(logits, batch.labels)
        if batch.epoch <= self.warm_up:
            return ce
        return self.ce_weight * ce + self.smooth_weight * label_smoothing_loss(logits, batch.labels, self.rate)
