"""CAL: second-order correction for instance-dependent noise (Zhu, Liu, Liu; CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase, Stage
from methods.hyper import epochs, real
from methods.papers.cal import PUBLISHED
from methods.peers import EPSILON, stable_cross_entropy
from methods.semi_supervised import linear_ramp

CE_EPSILON = 1e-8  # added to p inside the logarithm of the cross-entropy


class Division(NamedTuple):
    """What distilled labels tell of the noise.

    centred: [N, K] float, U(n): onehot(y_n), less the mean of it over the samples distilled to the same class; 0 for
    samples that are not distilled. indicated: [N] float, 1 where any entry of it is over 0. shares: [K] float, the
    distilled samples by class. counts: [K] float, the indicated ones by class, at least 1.
    """

    centred: Tensor
    indicated: Tensor
    shares: Tensor
    counts: Tensor


def division_of(distilled: Tensor, labels: Tensor, kept: Tensor, classes: int) -> Division:
    """distilled, labels: [N] int64, distilled and given; kept: [N] float, 1 for samples that are distilled, else 0."""
    rows = F.one_hot(distilled, classes).to(kept.dtype) * kept[:, None]
    given = F.one_hot(labels, classes).to(kept.dtype)
    sizes = rows.sum(0)
    means = rows.T @ given / sizes.clamp_min(1)[:, None]
    centred = (given - means[distilled]) * kept[:, None]
    indicated = (centred > 0).any(1).to(kept.dtype)
    return Division(centred, indicated, sizes / sizes.sum(), (rows.T @ indicated).clamp_min(1))


def class_losses(logits: Tensor) -> Tensor:
    """[B, K]: -log(p_c + 1e-5). logits: [B, K] float."""
    return -(logits.softmax(1) + EPSILON).log()


def prior_term(logits: Tensor, prior: Tensor) -> Tensor:
    """mean_i sum_c prior_c l_ic, a scalar: the expected loss under labels drawn from `prior` [K]."""
    return (class_losses(logits) @ prior.to(logits.dtype)).mean()


def covariance_term(
    logits: Tensor, distilled: Tensor, centred: Tensor, indicated: Tensor, shares: Tensor, means: Tensor
) -> Tensor:
    """sum_i P_i sum_c mean over the indicated samples of class i of U_ic (l_c - means_ic), a scalar.

    logits, centred: [B, K] float; distilled: [B] int64; indicated: [B], shares: [K], means: [K, K] float.
    """
    products = indicated * (centred * (class_losses(logits) - means[distilled])).sum(1)
    rows = F.one_hot(distilled, len(shares)).to(logits.dtype)
    return (rows.T @ products / (rows.T @ indicated).clamp_min(1)) @ shares


def indicated_sums(logits: Tensor, distilled: Tensor, indicated: Tensor) -> Tensor:
    """[K, K], detached: sums of the losses l_c over the batch's indicated samples, a row for each distilled class."""
    losses = class_losses(logits.detach())
    return (F.one_hot(distilled, logits.shape[1]).to(losses.dtype) * indicated[:, None]).T @ losses


class Cal(Method):
    """Two trainings: CORES2's loss for `sieve` epochs, which distil the labels; then, from scratch, a loss that also
    takes away the covariance of label noise and loss, by the distilled labels.

    Distilled is the given label where its cross-entropy lies 8 below the mean over all classes, else the prediction, as
    it was in the training passes of the first training's last epoch. Its prior is that of the square roots of the
    labels' counts, the second's that of the counts; for CIFAR-100 the authors' code multiplies both by ten, which is
    ten times the weights here. The means of the losses are those of the epoch before, at first 0. Theirs are a first
    training of 100 epochs, of which the 66th distils, and 100 more; `warm_up` and `ramp` hold in both.
    """

    name = "cal"
    title = "CAL"
    family = "loss correction"
    year = 2021
    reference = "Zhu et al., A Second-Order Approach to Learning with Instance-Dependent Label Noise, CVPR 2021"
    published = PUBLISHED
    hyper = {
        "sieve": epochs(0.4, 1, source="UCSC-REAL/CAL, CIFAR-10: 66 of 166 epochs"),
        "first_weight": real(2.0, 0, 1000, source="UCSC-REAL/CAL, CIFAR-10 (alpha of the first training)"),
        "weight": real(1.0, 0, 1000, source="UCSC-REAL/CAL, CIFAR-10 (alpha of the second training)"),
        "warm_up": epochs(0.06, source="UCSC-REAL/CAL, CIFAR-10: 10 of 166 epochs without it"),
        "ramp": epochs(0.18, source="UCSC-REAL/CAL, CIFAR-10: grows over the 30 epochs after them"),
        "margin": real(8.0, 0, 1000, search=None, source="UCSC-REAL/CAL"),
    }
    sieve: int
    first_weight: float
    weight: float
    warm_up: int
    ramp: int
    margin: float
    distilled: Tensor
    centred: Tensor
    indicated: Tensor
    shares: Tensor
    counts: Tensor
    sums: Tensor
    means: Tensor
    prior: Tensor
    root_prior: Tensor

    def build(self) -> None:
        super().build()
        samples, classes = self.task.num_samples, self.task.num_classes
        counts = torch.bincount(self.task.labels, minlength=classes).float()
        self.register_buffer("prior", counts / counts.sum())
        self.register_buffer("root_prior", counts.sqrt() / counts.sqrt().sum())
        self.register_buffer("distilled", self.task.labels.clone())
        self.register_buffer("centred", torch.zeros(samples, classes))
        self.register_buffer("indicated", torch.zeros(samples))
        self.register_buffer("shares", torch.zeros(classes))
        self.register_buffer("counts", torch.ones(classes))
        self.register_buffer("sums", torch.zeros(classes, classes))
        self.register_buffer("means", torch.zeros(classes, classes))
        self.first = max(1, min(self.sieve, self.task.epochs - 1))

    def stages(self) -> Sequence[Stage]:
        return [Stage(self.first), Stage()] if self.task.epochs > self.first else [Stage()]

    def stage_start(self, stage: int) -> None:
        if stage == 1:
            kept = torch.ones_like(self.indicated)
            division = division_of(self.distilled, self.task.labels, kept, self.task.num_classes)
            for name, value in division._asdict().items():
                getattr(self, name).copy_(value)
            self.network.load_state_dict(self.task.network().state_dict())

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        self.means.copy_(self.sums / self.counts[:, None])
        self.sums.zero_()
        return [Phase()]

    def loss(self, batch: Batch) -> Tensor:
        logits, index = self.network(batch.views[0]), batch.index
        base = stable_cross_entropy(logits, batch.labels, CE_EPSILON)
        if batch.epoch <= self.first:
            own = F.cross_entropy(logits.detach(), batch.labels, reduction="none")
            held = own - class_losses(logits.detach()).mean(1) < -self.margin
            self.distilled[index] = torch.where(held, batch.labels, logits.detach().argmax(1))
            batch.observe(logits)
            strength = self.first_weight * linear_ramp(batch.epoch - 1, self.warm_up, self.ramp)
            return base - strength * prior_term(logits, self.root_prior)
        distilled, indicated = self.distilled[index], self.indicated[index]
        batch.observe(logits)
        self.sums += indicated_sums(logits, distilled, indicated)
        term = covariance_term(logits, distilled, self.centred[index], indicated, self.shares, self.means)
        strength = self.weight * linear_ramp(batch.epoch - self.first - 1, self.warm_up, self.ramp)
        return base - strength * prior_term(logits, self.prior) - term
