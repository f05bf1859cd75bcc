"""ELR+: early-learning regularization with two networks, weight averaging and mixup (Liu et al.; NeurIPS 2020)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.base import Batch, Method, Phase
from methods.elr import CLAMP
from methods.semi_supervised import larger_share, mixed, network_clock, sigmoid_ramp, soft_cross_entropy


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


class EarlyLearningRegularizationPlus(Method):
    """Each network learns on mixed images with the ELR term, its targets coming from the other's averaged weights.

    In an epoch one network walks over all samples, then the other. A target moves towards the prediction that the
    other's average makes of the un-mixed image, in training mode as in the authors' code; those predictions are
    what is observed. The momentum of averaging rises along a sigmoid ramp over the first `average_ramp` epochs (in
    the authors' code 40,000 steps), the penalty over `penalty_ramp`; without a ramp it is at most s / (s + 1) in a
    network's step s. Prediction is the sum of both networks' logits, not of their averages'. Defaults are the
    authors' for CIFAR-10 with symmetric noise (asymmetric: momentum .9, penalty 1; CIFAR-100: .9, 7, `penalty_ramp`
    as long as `average_ramp`, and `reweight`).
    """

    name = "elr_plus"
    title = "ELR+"
    version = 2
    year = 2020
    reference = "Liu et al., Early-Learning Regularization Prevents Memorization of Noisy Labels, NeurIPS 2020"
    marks = frozenset({"ensemble", "mixup"})
    networks = 2
    passes_per_step = 4.0
    members = "ensemble"
    hyper = {
        "momentum": {
            "default": 0.7,
            "bounds": (0.0, 1.0),
            "search": (0.5, 0.99),  # this range and the next: the authors' grid
            "source": "shengliu66/ELR, CIFAR-10 symmetric (beta)",
        },
        "penalty": {
            "default": 3.0,
            "bounds": (0.0, 100.0),
            "search": (1.0, 10.0),
            "scale": "log",
            "source": "shengliu66/ELR, CIFAR-10 symmetric (lambda)",
        },
        "penalty_ramp": {
            "default": 0,
            "unit": "epochs",
            "bounds": (0, 100000),
            "source": "shengliu66/ELR, CIFAR-10 (CIFAR-100: 40,000 steps, 102 epochs)",
        },
        "average": {
            "default": 0.997,
            "bounds": (0.0, 1.0),
            "search": None,
            "source": "shengliu66/ELR, CIFAR (gamma; Clothing1M: .9999)",
        },
        "average_ramp": {
            "default": 0.51,
            "unit": "epochs",
            "bounds": (0, 100000),
            "source": "shengliu66/ELR, CIFAR-10: 40,000 steps, 102 of 200 epochs (Clothing1M, WebVision: no ramp)",
        },
        "alpha": {"default": 1.0, "bounds": (0.01, 100.0), "source": "shengliu66/ELR, CIFAR (mixup)"},
        "reweight": {"default": False, "source": "shengliu66/ELR: true for CIFAR-100 only"},
    }
    momentum: float
    penalty: float
    penalty_ramp: int
    average: float
    average_ramp: int
    alpha: float
    reweight: bool
    steps: Tensor
    targets: Tensor
    turn: tuple[int, float]

    def build(self) -> None:
        self.pair = nn.ModuleList([self.task.network(0), self.task.network(1)])
        self.averages = copy.deepcopy(self.pair).requires_grad_(False)
        self.register_buffer("steps", torch.zeros(2, dtype=torch.int64))
        self.register_buffer("targets", torch.zeros(2, self.task.num_samples, self.task.num_classes))

    def parameter_groups(self) -> list[dict[str, object]]:
        # A group for each network: clipping the norm of one must not depend on the other.
        return [{"params": list(network.parameters())} for network in self.pair]

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        return [Phase(name="0"), Phase(name="1")]

    def loss(self, batch: Batch) -> Tensor:
        number = int(batch.phase)
        clock = network_clock(batch.progress, batch.epoch, number, 2)
        self.turn = (number, clock)  # for `after_step` of this very step
        images = batch.views[0]
        with torch.no_grad():
            answers = self.averages[1 - number](images)
        batch.observe(answers)
        targets = self.momentum * self.targets[number, batch.index] + (1 - self.momentum) * answers.softmax(1)
        self.targets[number, batch.index] = targets
        share = larger_share(self.task.rng, self.alpha)
        partner = torch.randperm(len(images), generator=self.task.generator).to(images.device)
        labels = F.one_hot(batch.labels, self.task.num_classes).float()
        return elr_plus_loss(
            self.pair[number](mixed(images, partner, share)),
            mixed(labels, partner, share),
            mixed(targets, partner, share),
            self.penalty * sigmoid_ramp(clock, self.penalty_ramp),
            self.reweight,
        )

    def after_step(self) -> None:
        number, clock = self.turn
        if self.average_ramp > 0:
            momentum: float | Tensor = self.average * sigmoid_ramp(clock, self.average_ramp)
        else:
            self.steps[number] += 1
            momentum = (1 - 1 / (self.steps[number] + 1)).clamp_max(self.average)
        average_weights(self.averages[number].parameters(), self.pair[number].parameters(), momentum)

    def predict(self, images: Tensor) -> Tensor:
        return torch.stack([network(images) for network in self.pair])
