"""Peer loss: cross-entropy less that of peers (Liu, Guo; ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from methods.base import Batch
from methods.hyper import choice, flag, real
from methods.papers.peer_loss import PUBLISHED
from methods.peers import WithPeers, stable_cross_entropy

# Stretches of the weight: epochs, and its first and last value.
SCHEDULES: dict[str, tuple[tuple[int, float, float], ...]] = {
    "cifar10_uniform": ((20, 0, 0), (20, 0, 0.1), (50, 1, 2), (50, 2, 2.5), (100, 2.5, 3.3), (100, 3.3, 5)),
    "cifar10_sparse": ((20, 0, 0), (20, 0, 1), (50, 1, 2), (50, 2, 5), (100, 5, 10), (100, 10, 20)),
    "cifar100_uniform": ((100, 0, 0), (150, 0.95, 0.95)),
    "cifar100_sparse": ((110, 0, 0), (20, 0, 2), (70, 2, 10), (50, 10, 20)),
}
LENGTHS = {"cifar10_uniform": 300, "cifar10_sparse": 300, "cifar100_uniform": 250, "cifar100_sparse": 250}


def peer_strength(done: float, schedule: str) -> float:
    """alpha after `done` of the authors' epochs, along the stretches of `schedule`."""
    for length, first, last in SCHEDULES[schedule]:
        if done < length:
            return first + (last - first) * min(done / (length - 1), 1.0)
        done -= length
    return float(SCHEDULES[schedule][-1][2])


def peer_loss(logits: Tensor, labels: Tensor, peer_logits: Tensor, peer_labels: Tensor, alpha: float) -> Tensor:
    """CE(z, y) - alpha CE(z', y''), a scalar. logits, peer_logits: [B, K] float; labels, peer_labels: [B] int64."""
    return stable_cross_entropy(logits, labels) - alpha * stable_cross_entropy(peer_logits, peer_labels)


class PeerLoss(WithPeers):
    """Cross-entropy less `alpha` times that of the peers, which grows over the run along the authors' `schedule`.

    Theirs draw peers from a fresh shuffle at every step; here images come from one that is walked over, and labels
    are drawn with replacement. They divide the learning rate by 1 + alpha and restart momentum every epoch; with plain
    SGD and no weight decay that equals dividing the loss, which is what `divide` does. The weight of the uniform
    schedule jumps from .1 to 1, as theirs does. The schedule of 300 or 250 epochs is stretched over the run.
    """

    name = "peer_loss"
    title = "Peer loss"
    family = "robust loss"
    year = 2020
    reference = "Liu, Guo, Peer Loss Functions: Learning from Noisy Labels without Knowing Noise Rates, ICML 2020"
    published = PUBLISHED
    hyper = {
        "alpha": real(1.0, 0, 100, source="weijiaheng/Multi-class-Peer-Loss-functions (a factor on its schedule)"),
        "schedule": choice(
            "cifar10_uniform", "cifar10_sparse", "cifar100_uniform", "cifar100_sparse",
            source="weijiaheng/Multi-class-Peer-Loss-functions, CIFAR-10 uniform noise",
        ),
        "divide": flag(True, source="weijiaheng/Multi-class-Peer-Loss-functions: learning rate over 1 + alpha"),
    }  # fmt: skip
    alpha: float
    schedule: str
    divide: bool

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        done = (batch.epoch - 1) * LENGTHS[self.schedule] / self.task.epochs
        alpha = self.alpha * peer_strength(done, self.schedule)
        loss = peer_loss(logits, batch.labels, *self.peers(batch), alpha)
        return loss / (1 + alpha) if self.divide else loss
