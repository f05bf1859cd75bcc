"""DISC: instance thresholds on two views split samples into clean, hard and purified (Li et al.; CVPR 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase
from methods.gce import gce_losses
from methods.hyper import epochs, real
from methods.papers.disc import PUBLISHED
from methods.semi_supervised import larger_share, mixture, soft_cross_entropy

HIGHEST_BAR = 0.99  # of the probability from which a prediction stands for the label


def division(given: Tensor, surest: Tensor, thresholds: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """Which samples are clean, hard, and purified: [N] bool each, no sample in two of them.

    given: [2, N], the probability of the given label in the weak and the strong view; surest: [N], the largest entry of
    the mean of both predictions; thresholds: [2, N].
    """
    above = given > thresholds
    clean, hard = above.all(0), above[0] ^ above[1]
    bar = (thresholds.mean(0) + sigma).clamp_max(HIGHEST_BAR)
    return clean, hard, (surest > bar) & ~clean & ~hard


def supervised_loss(logits: Tensor, labels: Tensor, clean: Tensor, hard: Tensor, weight: float, q: float) -> Tensor:
    """(sum of the clean samples' cross-entropies + weight * sum of the hard ones' GCE) / B, a scalar.

    logits: [B, K]; labels: [B] int64; clean, hard: [B] bool.
    """
    losses = F.cross_entropy(logits, labels, reduction="none")
    return (clean * losses + weight * hard * gce_losses(logits, labels, q)).mean()


class DynamicInstanceSelection(Method):
    """Each sample has a threshold for each of two views, weak and strong, that follows how sure the network is of it.
    A given label whose probability is above both is clean, above one hard; of the rest those with a sure prediction
    are purified. Clean samples learn by cross-entropy, hard ones by GCE, and all three are mixed up with one another,
    the purified with their predicted label.

    The authors' strong view is RandAugment (`randaugment_disc_m5`, on CIFAR-100 `_m10`); here it is the suite's
    "strong". Their crops are reflected at the border. What a reader of the paper would not expect of their code: a
    threshold starts at 1 / N, not at 1 / K, and rises from the first epoch of the warm-up on, so that nearly all is
    clean in the beginning; it follows the largest probability, but is compared with that of the given label;
    probabilities are those of the training passes, and a division acts in the epoch after. The mixed loss has no
    weight, and both views are mixed apart. Without a chosen sample a step is left out. A set of one is not mixed here.
    Settings by noise: `momentum` .95 for asymmetric noise and from 60% on, where `hard_weight` is .2.
    """

    name = "disc"
    title = "DISC"
    family = "sample selection"
    year = 2023
    reference = "Li et al., DISC: Learning from Noisy Labels via Dynamic Instance-Specific Selection, CVPR 2023"
    marks = frozenset({"strong augmentation", "mixup"})
    passes_per_step = 4.0  # 2 in warm-up; then 2 more for each sample in one of the three sets
    views = ("weak", "strong")
    published = PUBLISHED
    hyper = {
        "warm_up": epochs(0.1, source="JackYFL/DISC, CIFAR: 20 of 200 epochs (start_epoch; instance noise: 15)"),
        "momentum": real(0.99, 0, 1, search=(0.9, 0.999), source="JackYFL/DISC, CIFAR-10 (others: .95)"),
        "sigma": real(0.5, 0, 1, source="JackYFL/DISC"),
        "hard_weight": real(1.0, 0, 100, source="JackYFL/DISC (lamd_h; noise from 60% on: .2)"),
        "q": real(0.7, 0.001, 1, source="JackYFL/DISC (of GCE)"),
        "alpha": real(5.0, 0.01, 100, source="JackYFL/DISC (of mixup)"),
    }
    warm_up: int
    momentum: float
    sigma: float
    hard_weight: float
    q: float
    alpha: float
    thresholds: Tensor
    given: Tensor
    largest: Tensor
    surest: Tensor
    predicted: Tensor
    sets: Tensor
    mix_labels: Tensor

    def build(self) -> None:
        super().build()
        count = self.task.num_samples
        self.register_buffer("thresholds", torch.full((2, count), 1 / count))
        for table in ("given", "largest"):  # by view, of this epoch's training passes
            self.register_buffer(table, torch.zeros(2, count))
        self.register_buffer("surest", torch.zeros(count))
        self.register_buffer("predicted", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("sets", torch.zeros(3, count, dtype=torch.bool))  # clean, hard, purified
        self.register_buffer("mix_labels", self.task.labels.clone())

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch > 1:
            self.divide()
        for table in (self.given, self.largest, self.surest):
            table.zero_()  # a sample that is not visited is in no set
        return [Phase()]

    def divide(self) -> None:
        """Divide the samples by what the last epoch saw; then let the thresholds follow."""
        self.sets.copy_(torch.stack(division(self.given, self.surest, self.thresholds, self.sigma)))
        named = torch.where(self.sets[2], self.predicted, self.task.labels)
        self.mix_labels.copy_(torch.where(self.sets.any(0), named, self.mix_labels))
        self.thresholds.mul_(self.momentum).add_(self.largest, alpha=1 - self.momentum)

    def loss(self, batch: Batch) -> Tensor:
        weak, strong = self.network(torch.cat(batch.views)).chunk(2)
        self.remember(batch, torch.stack([weak, strong]).detach().softmax(2))
        if batch.epoch <= self.warm_up:
            batch.observe(weak)
            return F.cross_entropy(weak, batch.labels) + F.cross_entropy(strong, batch.labels)
        clean, hard, purified = self.sets[:, batch.index]
        batch.observe(weak, selected=clean | hard, purified=purified)
        chosen = (clean | hard | purified).nonzero()[:, 0]
        if not len(chosen):
            return torch.zeros((), device=weak.device)
        losses = [
            supervised_loss(logits, batch.labels, clean, hard, self.hard_weight, self.q) for logits in (weak, strong)
        ]
        if len(chosen) > 1:
            losses += [self.mixed_loss(view[chosen], self.mix_labels[batch.index[chosen]]) for view in batch.views]
        return torch.stack(losses).sum()

    def remember(self, batch: Batch, probabilities: Tensor) -> None:
        """Note what the next division needs of both views' probabilities, [2, B, K]."""
        labels = batch.labels.expand(2, -1)[:, :, None]
        self.given[:, batch.index] = probabilities.gather(2, labels).squeeze(2)
        self.largest[:, batch.index] = probabilities.amax(2)
        self.surest[batch.index], self.predicted[batch.index] = probabilities.mean(0).max(1)

    def mixed_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of the images mixed with one another. images: [n, C, H, W]; labels: [n] int64."""
        targets = F.one_hot(labels, self.task.num_classes).float()
        mix, wanted = mixture([images], [targets], larger_share(self.task.rng, self.alpha), self.task.generator)
        return soft_cross_entropy(self.network(mix), wanted)
