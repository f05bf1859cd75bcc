"""OGC: gradients are clipped at a bound that follows the losses (Ye et al.; AAAI 2025)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from methods.base import Batch, Method
from methods.divide_mix import two_gaussians
from methods.hyper import choice, integer, real
from methods.papers.ogc import PUBLISHED

LEAST, MOST = 1e-7, 1 - 1e-7  # of the probability of the given label, and of the threshold
POINTS = 1000  # of the grid over which expectations are taken
Base = Callable[[Tensor], Tensor]  # a loss of the probability of the given label


def cross_entropy(p: Tensor) -> Tensor:
    return -p.log()


def focal(p: Tensor, gamma: float) -> Tensor:
    return -((1 - p) ** gamma) * p.log()


def generalized(p: Tensor, q: float) -> Tensor:
    return (1 - p**q) / q


@torch.enable_grad()
def steepness(base: Base, p: Tensor) -> Tensor:
    """|d base / d p|, of the shape of `p`, a constant."""
    at = p.detach().requires_grad_()
    (slope,) = torch.autograd.grad(base(at).sum(), at)
    return slope.abs()


def given_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """[B]: the probability of the given label, in [LEAST, MOST], without gradient beyond."""
    return logits.softmax(1).clamp(LEAST, MOST).gather(1, labels[:, None]).squeeze(1)


def clipped_losses(p: Tensor, base: Base, threshold: Tensor) -> Tensor:
    """[B]: base(p) where p > threshold; below, 1 - tau p + base(threshold) with tau the steepness at the threshold.

    p: [B] float in (0, 1); threshold: scalar.
    """
    threshold = threshold.to(p.dtype)
    return torch.where(p > threshold, base(p), 1 - steepness(base, threshold) * p + base(threshold))


def gradient_ratio(base: Base, means: Tensor, variances: Tensor) -> Callable[[float], float]:
    """The noisy samples' expected gradient over the clean ones', as a function of the threshold.

    means, variances: [2] float64, of two Gaussians of -log p, clean and noisy; truncated to p in [LEAST, MOST].
    """
    entropies = torch.linspace(-math.log(MOST), -math.log(LEAST), POINTS, dtype=torch.float64)
    density = (-((entropies - means[:, None]) ** 2) / (2 * variances[:, None])).softmax(1)
    slopes = steepness(base, (-entropies).exp())

    def ratio(threshold: float) -> float:
        bound = steepness(base, torch.tensor(threshold, dtype=torch.float64))
        clean, noisy = (density * slopes.minimum(bound)).sum(1)
        return float(noisy / clean)

    return ratio


def where_it_falls_to(ratio: Callable[[float], float], wanted: float, tolerance: float, rounds: int) -> float:
    """Where a falling function of [LEAST, MOST] is `wanted`, by bisection; the nearer end where it is nowhere."""
    low, high = LEAST, MOST
    if ratio(high) > wanted:
        return high
    if ratio(low) < wanted:
        return low
    for _ in range(rounds):
        middle = (low + high) / 2
        gap = wanted - ratio(middle)
        if abs(gap) < tolerance:
            return middle
        low, high = (low, middle) if gap > 0 else (middle, high)
    return high


class OptimizedGradientClipping(Method):
    """A loss whose gradient is held to at most `tau`, its steepness at a threshold of the given label's probability.

    Every `interval` batches two Gaussians are fitted to the last `queue` losses, as clean and noisy samples; the
    threshold becomes the one at which the noisy gradient, on average over its Gaussian, is 1 + rate * `epsilon` times
    the clean one, with the learning rate of the step. Until the queue is full nothing is clipped.

    What a reader of the paper would not expect of the authors' code: below the threshold the loss is
    1 - tau p + loss(threshold), without a jump for cross-entropy alone; and bisection ends after ten rounds, so that
    the threshold is one of 1024 values, or about 1e-7, the least, where no gradient is clipped at all. The queue
    is here no longer than the training set; where all its losses are equal, the threshold stays.
    """

    name = "ogc"
    title = "OGC"
    family = "robust loss"
    year = 2025
    reference = "Ye et al., Optimized Gradient Clipping for Noisy Label Learning, AAAI 2025"
    published = PUBLISHED
    hyper = {
        "base": choice("cross_entropy", "focal", "gce", source="Virusdoll/OGC (OGC_CE, OGC_FL, OGC_GCE)"),
        "epsilon": real(20.0, 0, 10_000, scale="log", search=(1, 100), source="Virusdoll/OGC, CIFAR"),
        "interval": integer(32, 1, 100_000, search=None, source="Virusdoll/OGC (time_frame_s)"),
        "queue": integer(4096, 2, 1_000_000, search=None, source="Virusdoll/OGC (queue_size_q)"),
        "tolerance": real(1e-7, 0, 1, search=None, source="Virusdoll/OGC (binary_search_tol)"),
        "rounds": integer(10, 1, 100, search=None, source="Virusdoll/OGC (binary_search_max_iter)"),
        "gamma": real(0.5, 0, 10, source="Virusdoll/OGC (of the focal loss)"),
        "q": real(0.7, 0.001, 1, source="Virusdoll/OGC (of GCE)"),
    }
    base: str
    epsilon: float
    interval: int
    queue: int
    tolerance: float
    rounds: int
    gamma: float
    q: float
    recent: Tensor
    threshold: Tensor

    def build(self) -> None:
        super().build()
        bases: dict[str, Base] = {
            "cross_entropy": cross_entropy,
            "focal": partial(focal, gamma=self.gamma),
            "gce": partial(generalized, q=self.q),
        }
        self.base_loss = bases[self.base]
        self.register_buffer("recent", torch.full((min(self.queue, self.task.num_samples),), -1.0))  # -1: not yet full
        self.register_buffer("threshold", torch.tensor(LEAST))

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        p = given_probability(logits, batch.labels)
        self.recent.copy_(torch.cat([self.recent, -p.detach().log()])[-len(self.recent) :])
        if (batch.step + 1) % self.interval == 0 and float(self.recent[0]) >= 0:
            self.estimate(batch.rates[0])
        batch.observe(logits, unclipped=p > self.threshold)
        return clipped_losses(p, self.base_loss, self.threshold).mean()

    def estimate(self, rate: float) -> None:
        """A new threshold from the losses of the queue. rate: the learning rate."""
        values = self.recent.cpu().double().numpy()[:, None]
        mixture = two_gaussians(values, int(self.task.rng.integers(2**31)), tol=1e-3, reg_covar=1e-3)
        if mixture is None:
            return
        order = mixture.means_[:, 0].argsort()
        means, variances = (
            torch.from_numpy(values.reshape(2)[order]) for values in (mixture.means_, mixture.covariances_)
        )
        ratio = gradient_ratio(self.base_loss, means, variances)
        self.threshold.fill_(where_it_falls_to(ratio, 1 + rate * self.epsilon, self.tolerance, self.rounds))
