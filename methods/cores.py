"""CORES2, the sieve: confidence-regularised sample selection, phase 1 (Cheng, Zhu, Li, Gong, Sun, Liu; ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase
from methods.hyper import epochs, flag, real
from methods.papers.cores import PUBLISHED

EPSILON = 1e-8  # added to p inside the logarithms of the regulariser, which would else be unbounded below


def cores_strength(epoch: int, maximum: float, warm_up: int, ramp: int) -> float:
    """beta in epoch `epoch` (from 1): 0 for `warm_up` epochs, even steps from 0 to `maximum` over `ramp`, then that."""
    done = epoch - 1 - warm_up
    if done < 0:
        return 0.0
    return maximum if done >= ramp - 1 else maximum * done / (ramp - 1)


def cores_losses(logits: Tensor, labels: Tensor, beta: float, prior: Tensor | None) -> tuple[Tensor, Tensor]:
    """Losses CE_i - beta sum_c prior_c l_ic and scores CE_i - mean_c l_ic, with l_ic = -log(p_ic + 1e-8); both [B].

    logits: [B, K] float; labels: [B] int64; prior: [K] float, None for uniform. Scores are detached; a sample is held
    to be clean where its score is at most 0.
    """
    ce = F.cross_entropy(logits, labels, reduction="none")
    all_classes = -(logits.softmax(1) + EPSILON).log()
    mean = all_classes.mean(1)
    regulariser = mean if prior is None else all_classes @ prior.to(logits.dtype)
    return ce - beta * regulariser, (ce - mean).detach()


def cores_loss(losses: Tensor, kept: Tensor) -> Tensor:
    """sum_i kept_i losses_i / sum_i kept_i, a scalar; 0 where nothing is kept. losses, kept: [B] float."""
    return (kept * losses).sum() / kept.sum().clamp_min(1)


class Cores(Method):
    """Cross-entropy less a confidence term; later on only samples under the mean loss of all classes are kept.

    The class prior is that of the given labels, refreshed every epoch over the samples kept in the one before. The
    authors divide the learning rate by 1 + beta; under their plain SGD that equals dividing the loss, which is what
    `divide` does. Momentum and weight decay are the suite's: theirs are 0, which a row that reproduces them says, since
    no method may choose its own where methods are compared.
    """

    name = "cores"
    title = "CORES2"
    family = "sample selection"
    year = 2021
    reference = "Cheng et al., Learning with Instance-Dependent Label Noise: A Sample Sieve Approach, ICLR 2021"
    published = PUBLISHED
    hyper = {
        "beta": real(2.0, 0, 100, source="haochenglouis/cores"),
        "warm_up": epochs(0.1, source="haochenglouis/cores: 10 of the 100 epochs of phase 1"),
        "ramp": epochs(0.3, source="haochenglouis/cores: 30 of the 100 epochs of phase 1"),
        "select_after": epochs(0.31, source="haochenglouis/cores: after epoch 30 of 100, counted from 0"),
        "use_prior": flag(True, source="the paper; uniform where false"),
        "divide": flag(True, source="haochenglouis/cores: learning rate over 1 + beta"),
    }
    beta: float
    warm_up: int
    ramp: int
    select_after: int
    use_prior: bool
    divide: bool
    kept: Tensor
    scores: Tensor
    prior: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("kept", torch.ones(self.task.num_samples))
        self.register_buffer("scores", torch.zeros(self.task.num_samples))
        self.register_buffer("prior", torch.zeros(self.task.num_classes))

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        given = F.one_hot(self.task.labels, self.task.num_classes).to(self.kept.dtype)
        counts = self.kept @ given
        # Where nothing was kept, the labels of all samples stand in.
        counts = torch.where(counts.sum() > 0, counts, given.sum(0))
        self.prior.copy_(counts / counts.sum())
        return [Phase()]

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        beta = cores_strength(batch.epoch, self.beta, self.warm_up, self.ramp)
        losses, scores = cores_losses(logits, batch.labels, beta, self.prior if self.use_prior else None)
        kept = (scores <= 0).to(logits.dtype) if batch.epoch > self.select_after else torch.ones_like(scores)
        self.kept[batch.index] = kept
        self.scores[batch.index] = scores
        batch.observe(logits, selected=kept)
        return cores_loss(losses, kept) / (1 + beta if self.divide else 1)

    def clean_scores(self) -> Tensor | None:
        return -self.scores
