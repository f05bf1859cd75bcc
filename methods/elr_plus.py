"""ELR+: early-learning regularization with two networks, weight averaging and mixup (Liu et al.; NeurIPS 2020)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Phase
from methods.elr import CLAMP, EarlyLearningRegularization
from methods.hyper import epochs, flag, integer, real
from methods.papers.elr_plus import PUBLISHED
from methods.semi_supervised import larger_share, mixed, network_clock, sigmoid_ramp, soft_cross_entropy
from methods.two_networks import TwoNetworks


def elr_plus_loss(logits: Tensor, labels: Tensor, targets: Tensor, penalty: float, reweight: bool) -> Tensor:
    """soft CE(z, y) + lambda mean_i log(1 - <p_i, t_i>), a scalar, for mixed samples.

    logits, labels, targets: [B, K] float, of mixed images: labels are mixed one-hot rows, targets mixed running targets
    (both constants). reweight: labels are multiplied by the targets first and normalised, y t / sum(y t).
    """
    p = logits.softmax(1).clamp(CLAMP, 1 - CLAMP)
    if reweight:
        labels = labels * targets
        labels = labels / labels.sum(1, keepdim=True).clamp_min(torch.finfo(labels.dtype).tiny)
    return soft_cross_entropy(logits, labels) + penalty * torch.log1p(-(targets * p).sum(1)).mean()


@torch.no_grad()
def average_weights(averages: Iterable[Tensor], weights: Iterable[Tensor], momentum: float | Tensor) -> None:
    """a <- momentum a + (1 - momentum) w, in place, parameter by parameter."""
    for average, weight in zip(averages, weights, strict=True):
        average.lerp_(weight, 1 - momentum)


class EarlyLearningRegularizationPlus(TwoNetworks):
    """Each network learns on mixed images with the ELR term, its targets coming from the other's averaged weights.

    In an epoch one network walks over all samples, then the other. A target moves towards the prediction that the
    other's average makes of the un-mixed image, in training mode as in the authors' code; those predictions are
    what is observed. The momentum of averaging rises along a sigmoid ramp over the first `average_ramp` epochs (in
    the authors' code 40,000 steps), the penalty over `penalty_ramp`; without a ramp it is at most s / (s + 1) in a
    network's step s. Prediction is the sum of both networks' logits, not of their averages'. Defaults are the
    authors' for CIFAR-10 with symmetric noise (asymmetric: momentum .9, penalty 1; CIFAR-100: .9, 7, `penalty_ramp`
    as long as `average_ramp`, and `reweight`).

    The authors' code makes the training set twice, once for each network: each leaves out other images for validation,
    and draws the noise by itself. `own_labels` does so, with a share `held_out` of the samples left out at random for
    each network: an image that is wrong for one is often right for the other, which no method with one set of labels
    has. Curves, observed predictions and scores are then of the first network's labels, which are the run's. A ramp
    given in steps of a network is exact where epochs are no whole number.
    """

    name = "elr_plus"
    title = "ELR+"
    family = "regularisation"
    version = 2
    year = 2020
    reference = "Liu et al., Early-Learning Regularization Prevents Memorization of Noisy Labels, NeurIPS 2020"
    marks = frozenset({"ensemble", "mixup"})
    passes_per_step = 4.0
    members = "ensemble"
    published = PUBLISHED
    hyper = {
        **EarlyLearningRegularization.hyper,
        "penalty_ramp": epochs(0, source="shengliu66/ELR, CIFAR-10 (CIFAR-100: 40,000 steps, 102 epochs)"),
        "average": real(0.997, 0, 1, search=None, source="shengliu66/ELR, CIFAR (gamma; Clothing1M: .9999)"),
        "average_ramp": epochs(
            0.51, source="shengliu66/ELR, CIFAR-10: 40,000 steps, 102 of 200 epochs (Clothing1M, WebVision: no ramp)"
        ),
        "alpha": real(1.0, 0.01, 100, source="shengliu66/ELR, CIFAR (mixup)"),
        "reweight": flag(False, source="shengliu66/ELR: true for CIFAR-100 only"),
        "average_steps": integer(
            None, 1, 1_000_000_000, search=None, later=True,
            source="`average_ramp`, where not given; shengliu66/ELR, CIFAR: 40,000 (ema_step)",
        ),
        "penalty_steps": integer(
            None, 1, 1_000_000_000, search=None, later=True,
            source="`penalty_ramp`, where not given; shengliu66/ELR, CIFAR-100: 40,000 (coef_step)",
        ),
        "own_labels": flag(False, later=True, source="the paper; shengliu66/ELR, CIFAR, as released: true"),
        "held_out": real(
            0.0, 0, 0.9, search=None, later=True, source="the suite's split; shengliu66/ELR, CIFAR, as released: .1"
        ),
        "predict_average": flag(
            False, later=True,
            source="shengliu66/ELR on one GPU; on two, true: the first network and the second one's average",
        ),
    }  # fmt: skip
    momentum: float
    penalty: float
    penalty_ramp: int
    average: float
    average_ramp: int
    alpha: float
    reweight: bool
    average_steps: int | None
    penalty_steps: int | None
    own_labels: bool
    held_out: float
    predict_average: bool
    steps: Tensor
    targets: Tensor
    given: Tensor
    used: Tensor

    def build(self) -> None:
        super().build()
        count = self.task.num_samples
        if self.own_labels:
            self.register_buffer("given", torch.stack([self.task.labels, self.task.redrawn(1)]))
        if self.held_out:
            count = max(1, round((1 - self.held_out) * count))
            orders = [torch.randperm(self.task.num_samples, generator=self.task.generator) for _ in range(2)]
            self.register_buffer("used", torch.stack([order[:count].sort().values for order in orders]))
        epoch_steps = math.ceil(count / self.task.batch_size)
        self.average_length = self.average_ramp if self.average_steps is None else self.average_steps / epoch_steps
        self.penalty_length = self.penalty_ramp if self.penalty_steps is None else self.penalty_steps / epoch_steps
        self.averages = copy.deepcopy(self.pair).requires_grad_(False)
        self.register_buffer("steps", torch.zeros(2, dtype=torch.int64))
        self.register_buffer("targets", torch.zeros(2, self.task.num_samples, self.task.num_classes))

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        return [Phase(self.used[number] if self.held_out else None, number=number) for number in (0, 1)]

    def clock(self, batch: Batch) -> float:
        """The run's clock as the network that learns sees it."""
        return network_clock(batch.progress, batch.epoch, batch.number, 2)

    def loss(self, batch: Batch) -> Tensor:
        number, images = batch.number, batch.views[0]
        with torch.no_grad():
            answers = self.averages[1 - number](images)
        if number == 0 or not self.own_labels:
            batch.observe(answers)
        targets = self.momentum * self.targets[number, batch.index] + (1 - self.momentum) * answers.softmax(1)
        self.targets[number, batch.index] = targets
        share = larger_share(self.task.rng, self.alpha)
        partner = torch.randperm(len(images), generator=self.task.generator).to(images.device)
        given = self.given[number, batch.index] if self.own_labels else batch.labels
        labels = F.one_hot(given, self.task.num_classes).float()
        return elr_plus_loss(
            self.pair[number](mixed(images, partner, share)),
            mixed(labels, partner, share),
            mixed(targets, partner, share),
            self.penalty * sigmoid_ramp(self.clock(batch), self.penalty_length),
            self.reweight,
        )

    def after_step(self, batch: Batch) -> None:
        number = batch.number
        if self.average_length > 0:
            momentum: float | Tensor = self.average * sigmoid_ramp(self.clock(batch), self.average_length)
        else:
            self.steps[number] += 1
            momentum = (1 - 1 / (self.steps[number] + 1)).clamp_max(self.average)
        average_weights(self.averages[number].parameters(), self.pair[number].parameters(), momentum)

    def predict(self, images: Tensor) -> Tensor:
        tested = (self.pair[0], self.averages[1]) if self.predict_average else self.pair
        return torch.stack([network(images) for network in tested])
