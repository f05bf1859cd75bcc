"""LogitClip: logits of a bounded norm (Wei, Zhuang, Xie, Feng, Niu, An, Li; ICML 2023)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import real
from methods.papers.logit_clip import PUBLISHED

EPSILON = 1e-7  # added to the norm, as in the authors' code


def clipped_logits(logits: Tensor, threshold: float, order: float = 2.0) -> Tensor:
    """[B, K]: z, but z / (threshold |z|) where its norm of that order is over `threshold`. logits: [B, K] float."""
    norm = _norm(logits, order) + EPSILON
    return torch.where(norm > threshold, logits / (norm * threshold), logits)


def _norm(logits: Tensor, order: float) -> Tensor:
    """[B, 1]: the norm of each row. Of an order other than 2 it is that of the row over its largest absolute value,
    times this one, as in float32 already 3 to the 100th is infinite, and the gradient then no number.
    """
    if order == 2.0:  # scaled it would differ in its last bits from what records were made with
        norm: Tensor = logits.norm(order, dim=1, keepdim=True)
        return norm
    largest = logits.detach().abs().amax(1, keepdim=True).clamp_min(torch.finfo(logits.dtype).tiny)
    scaled: Tensor = (logits / largest).norm(order, dim=1, keepdim=True)
    return largest * scaled


class LogitClip(Method):
    """Cross-entropy of logits whose norm is clipped; predictions are of the logits as they are.

    What is over `threshold` gets a norm of 1 / `threshold`, as in the authors' code; the paper has one value for both,
    which they are at 1 only. The gradient passes through the norm. The authors tune `threshold` for each noise.
    """

    name = "logit_clip"
    title = "LogitClip"
    family = "robust loss"
    year = 2023
    reference = "Wei et al., Mitigating Memorization of Noisy Labels by Clipping the Model Prediction, ICML 2023"
    published = PUBLISHED
    hyper = {
        "threshold": real(1.5, 0.01, 100, scale="log", source="hongxin001/LogitClip, its README (temp)"),
        "order": real(2.0, 1, 100, search=None, source="hongxin001/LogitClip (lp)"),
    }
    threshold: float
    order: float

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(clipped_logits(logits, self.threshold, self.order), batch.labels)
