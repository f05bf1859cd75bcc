"""APL: active and passive loss, NCE with RCE or MAE (Ma, Huang, Wang, Romano, Erfani, Bailey; ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import flag, real
from methods.papers.active_passive import PUBLISHED
from methods.sce import reverse_cross_entropy


def normalized_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """[B]: log p_y / sum_c log p_c, in [0, 1]. logits: [B, K] float; labels: [B] int64."""
    log_p = logits.log_softmax(1)
    return log_p.gather(1, labels[:, None]).squeeze(1) / log_p.sum(1)


def mean_absolute_error(logits: Tensor, labels: Tensor) -> Tensor:
    """[B]: 1 - p_y, half of the L1 distance between prediction and label. logits: [B, K] float; labels: [B] int64."""
    return 1 - logits.softmax(1).gather(1, labels[:, None]).squeeze(1)


class NormalizedAndReverse(Method):
    """alpha NCE + beta RCE. Defaults are the authors' for CIFAR-10 (CIFAR-100: 10 and .1).

    The paper clamps no prediction; `authors_behaviour` clamps p to at least 1e-7 in RCE, as their code does.
    """

    name = "nce_rce"
    title = "NCE+RCE"
    family = "robust loss"
    year = 2020
    reference = "Ma et al., Normalized Loss Functions for Deep Learning with Noisy Labels, ICML 2020"
    published = PUBLISHED
    hyper = {
        "alpha": real(1.0, 0, 100, source="HanxunH/Active-Passive-Losses, CIFAR-10"),
        "beta": real(1.0, 0, 100, source="HanxunH/Active-Passive-Losses, CIFAR-10"),
        "authors_behaviour": flag(False, source="the paper has no clamp"),
    }
    alpha: float
    beta: float
    authors_behaviour: bool

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        passive = reverse_cross_entropy(logits, batch.labels, 1e-7 if self.authors_behaviour else 0.0)
        return (self.alpha * normalized_cross_entropy(logits, batch.labels) + self.beta * passive).mean()


class NormalizedAndAbsolute(Method):
    """alpha NCE + beta MAE, with MAE as 1 - p_y. Defaults are the authors' for CIFAR-10 (CIFAR-100: 10 and 1)."""

    name = "nce_mae"
    title = "NCE+MAE"
    family = "robust loss"
    year = 2020
    reference = "Ma et al., Normalized Loss Functions for Deep Learning with Noisy Labels, ICML 2020"
    hyper = {
        "alpha": real(1.0, 0, 100, source="HanxunH/Active-Passive-Losses, CIFAR-10"),
        "beta": real(1.0, 0, 100, source="HanxunH/Active-Passive-Losses, CIFAR-10"),
    }
    alpha: float
    beta: float

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        active = normalized_cross_entropy(logits, batch.labels)
        return (self.alpha * active + self.beta * mean_absolute_error(logits, batch.labels)).mean()
