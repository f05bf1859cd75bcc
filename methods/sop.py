"""SOP: sparse over-parameterisation of the label noise (Liu, Zhu, Qu, You; ICML 2022)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.base import Batch, Method
from methods.hyper import real

CLAMP = 1e-4  # probabilities are kept inside [CLAMP, 1], as in the authors' code


def sop_loss(
    logits: Tensor,
    labels: Tensor,
    u: Tensor,
    v: Tensor,
    strong_logits: Tensor | None = None,
    consistency: float = 0.0,
    balance: float = 0.0,
) -> Tensor:
    """CE(normalised(p + U - V'), y) + |onehot(argmax z) + U - V - onehot(y)|^2, mean over the batch; a scalar.

    logits: [B, K] float; labels: [B] int64; u: [B, 1], v: [B, K] float, the rows of the batch. U = u^2 onehot(y) and
    V = v^2 (1 - onehot(y)), both clamped to [0, 1]; V' is V without gradient, so that v learns from the squared term
    alone, and u from both.
    strong_logits: [B, K], of a strongly augmented view; adds consistency KL(p || p_strong), p detached. balance: weight
    of the cross-entropy from the uniform distribution to the batch's mean prediction. Both make SOP+.
    """
    given = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    present = (u**2 * given).clamp(0, 1)
    absent = (v**2 * (1 - given)).clamp(0, 1)
    shifted = (logits.softmax(1) + present - absent.detach()).clamp_min(CLAMP)
    prediction = F.normalize(shifted, p=1, dim=1).clamp(CLAMP, 1)
    own = F.one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)
    loss = -(given * prediction.log()).sum(1).mean() + ((own + present - absent - given) ** 2).sum(1).mean()
    if balance > 0:
        loss = loss - balance * prediction.mean(0).clamp(CLAMP, 1).log().mean()
    if strong_logits is not None and consistency > 0:
        divergence = F.kl_div(strong_logits.log_softmax(1), logits.detach().softmax(1), reduction="none").sum(1)
        loss = loss + consistency * divergence.mean()
    return loss


class SparseOverParameterisation(Method):
    """Each sample has parameters u and v that learn the part of its label which the network should not.

    They have optimiser groups of their own: plain SGD at a constant rate. Defaults are the authors' for symmetric noise
    (asymmetric: .1 and 100).
    """

    name = "sop"
    title = "SOP"
    family = "regularisation"
    year = 2022
    reference = "Liu et al., Robust Training under Label Noise by Over-parameterization, ICML 2022"
    hyper = {
        "lr_u": real(1.0, 0, 1000, scale="log", source="shengliu66/SOP, CIFAR-100 symmetric"),
        "lr_v": real(10.0, 0, 1000, scale="log", source="shengliu66/SOP, CIFAR-100 symmetric"),
        "initial_scale": real(1e-8, 0, 1, search=None, source="shengliu66/SOP"),
    }
    lr_u: float
    lr_v: float
    initial_scale: float

    def build(self) -> None:
        super().build()
        samples, classes, generator = self.task.num_samples, self.task.num_classes, self.task.generator
        self.u = nn.Parameter(self.initial_scale * torch.randn(samples, 1, generator=generator))
        self.v = nn.Parameter(self.initial_scale * torch.randn(samples, classes, generator=generator))

    def parameter_groups(self) -> list[dict[str, Any]]:
        plain = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": False}
        return [
            {"params": list(self.network.parameters())},
            {"params": [self.u], "lr": self.lr_u, **plain},
            {"params": [self.v], "lr": self.lr_v, **plain},
        ]

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return sop_loss(logits, batch.labels, self.u[batch.index], self.v[batch.index])
