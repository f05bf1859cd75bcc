"""SOP+: SOP with consistency between two views and balanced predictions (Liu, Zhu, Qu, You; ICML 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.base import Batch
from methods.hyper import real
from methods.papers.sop_plus import PUBLISHED
from methods.sop import SparseOverParameterisation, sop_loss


class SparseOverParameterisationPlus(SparseOverParameterisation):
    """SOP on a weak view, whose prediction that of a strong view follows, and whose mean over a batch is kept uniform.

    Both views go through the network in one pass. The authors' strong view is AutoAugment for CIFAR-10 with a cut-out
    of 16 pixels; here it is the suite's. Defaults are theirs for symmetric noise (asymmetric: .1 and 100).
    """

    name = "sop_plus"
    title = "SOP+"
    family = "regularisation"
    year = 2022
    reference = "Liu et al., Robust Training under Label Noise by Over-parameterization, ICML 2022"
    marks = frozenset({"strong augmentation"})
    passes_per_step = 2.0
    views = ("weak", "strong")
    published = PUBLISHED
    hyper = {
        **SparseOverParameterisation.hyper,
        "consistency": real(0.9, 0, 100, source="shengliu66/SOP (lambda_C)"),
        "balance": real(0.1, 0, 100, source="shengliu66/SOP (lambda_B)"),
    }
    consistency: float
    balance: float

    def loss(self, batch: Batch) -> Tensor:
        logits, strong = self.network(torch.cat(batch.views)).chunk(2)
        batch.observe(logits)
        u, v = self.u[batch.index], self.v[batch.index]
        return sop_loss(logits, batch.labels, u, v, strong, self.consistency, self.balance)
