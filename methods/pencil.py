"""PENCIL: probabilistic end-to-end noise correction, labels learnt with the network (Yi, Wu; CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from methods.base import Batch, Method, Stage
from methods.hyper import epochs, real
from methods.papers.pencil import PUBLISHED


def label_logits(labels: Tensor, num_classes: int, size: float) -> Tensor:
    """[N, K] float32: `size` for the given label and 0 else. labels: [N] int64."""
    return size * F.one_hot(labels, num_classes).float()


def classification_loss(logits: Tensor, beliefs: Tensor) -> Tensor:
    """KL(p || q) / K, a mean over the batch, with q the softmax of `beliefs`; a scalar. Both [B, K] float."""
    log_p, log_q = logits.log_softmax(1), beliefs.log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).mean()


def compatibility_loss(beliefs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the given labels under the softmax of q (a softmax of a softmax), a scalar. beliefs: [B, K]."""
    return F.cross_entropy(beliefs.softmax(1), labels)


def entropy_loss(logits: Tensor) -> Tensor:
    """The entropy of p over K, a mean over the batch; a scalar. logits: [B, K] float."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).mean()


class Pencil(Method):
    """Cross-entropy for `warm_up` epochs; then network and label distributions learn together for `correction` epochs,
    and to the end the network learns the labels that were found.

    A sample's labels are the softmax of logits of its own, which begin at `label_size` for the given label. They take
    plain steps of `label_lr` down the gradient of the loss, and are held from the end of the correction on. The
    learning rate is constant until then, and has the suite's whole schedule afterwards. The authors have .06 and then
    .2: `early_lr` says a rate of its own for the first two parts.

    In the authors' code the divergence and the entropy are means over samples and classes, so a K-th of what the paper
    has, while the compatibility is one over samples, with a second softmax over q; this is followed, as the weights are
    made for it. Their last part ends with two thirds at a learning rate of 0, by a whole-number division of .2 by 10
    and 100; that is not followed. No noise rates come with their weights: these are what their program has by default.
    """

    name = "pencil"
    title = "PENCIL"
    family = "label refurbishment"
    year = 2019
    reference = "Yi, Wu, Probabilistic End-to-end Noise Correction for Learning with Noisy Labels, CVPR 2019"
    published = PUBLISHED
    hyper = {
        "warm_up": epochs(0.219, source="yikun2019/PENCIL, CIFAR-10: 70 of 320 epochs"),
        "correction": epochs(0.406, source="yikun2019/PENCIL, CIFAR-10: 130 of 320 epochs"),
        "compatibility": real(0.4, 0, 100, source="yikun2019/PENCIL, default (alpha)"),
        "entropy": real(0.1, 0, 100, source="yikun2019/PENCIL, default (beta)"),
        "label_lr": real(
            600.0, 0, 100_000, scale="log", search=(100.0, 5000.0), source="yikun2019/PENCIL, default (lambda1)"
        ),
        "label_size": real(10.0, 0, 100, source="yikun2019/PENCIL"),
        "early_lr": real(None, 1e-6, 10, scale="log", source="none: the suite's; yikun2019/PENCIL: .06, then .2"),
    }
    warm_up: int
    correction: int
    compatibility: float
    entropy: float
    label_lr: float
    label_size: float
    early_lr: float | None

    def build(self) -> None:
        super().build()
        self.beliefs = nn.Parameter(label_logits(self.task.labels, self.task.num_classes, self.label_size))

    def stages(self) -> Sequence[Stage]:
        early = min(self.warm_up + self.correction, self.task.epochs)
        rate = {} if self.early_lr is None else {"lr": self.early_lr}
        return [Stage(early, {**rate, "schedule": {"name": "constant"}}), Stage()]

    def parameter_groups(self) -> list[dict[str, Any]]:
        plain = {"optimizer": "sgd", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "schedule": False}
        return [
            {"params": list(self.network.parameters())},
            {"params": [self.beliefs], "lr": self.label_lr, **plain},
        ]

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        if batch.epoch <= self.warm_up:
            return F.cross_entropy(logits, batch.labels)
        beliefs = self.beliefs[batch.index]
        if batch.epoch > self.warm_up + self.correction:
            return classification_loss(logits, beliefs.detach())
        compatible = self.compatibility * compatibility_loss(beliefs, batch.labels)
        return classification_loss(logits, beliefs) + compatible + self.entropy * entropy_loss(logits)

    def clean_scores(self) -> Tensor | None:
        """The probability that a sample's own labels give to the given one; None where they were not learnt."""
        if min(self.warm_up, self.task.epochs) == self.task.epochs or self.correction == 0:
            return None
        return self.beliefs.detach().softmax(1).gather(1, self.task.labels[:, None]).squeeze(1)
