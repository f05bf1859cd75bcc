"""NLNL: negative learning for noisy labels, in stages (Kim, Yim, Yun, Kim; ICCV 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Stage
from methods.hyper import epochs, flag, integer, real
from methods.papers.nlnl import PUBLISHED


def log_complement(logits: Tensor) -> Tensor:
    """[B, K]: log(1 - p_k) without cancellation: for the likeliest class from the sum of the others. logits: [B, K]."""
    log_p = logits.log_softmax(1)
    likeliest = F.one_hot(logits.argmax(1), logits.shape[1]).bool()
    of_likeliest = log_p.masked_fill(likeliest, -torch.inf).logsumexp(1, keepdim=True)
    return torch.where(likeliest, of_likeliest, torch.log1p(-log_p.exp().masked_fill(likeliest, 0.0)))


def negative_loss(
    logits: Tensor, labels: Tensor, complementary: Tensor, class_weight: Tensor, kept: Tensor, floor: float = 0.0
) -> Tensor:
    """sum over kept i and their classes k of w_(y_i) (-log(1 - p_ik)), over the number of kept samples; 0 without any.

    logits: [B, K] float; labels: [B] int64; complementary: [B, n] int64, classes that a sample is said not to be of;
    class_weight: [K] float; kept: [B] float, 0 or 1. floor: 1 - p is clamped to at least this, without gradient below.
    """
    rest = log_complement(logits).gather(1, complementary)
    if floor > 0:
        rest = rest.clamp_min(math.log(floor))
    losses = -class_weight.to(logits.dtype)[labels] * rest.sum(1)
    return (kept * losses).sum() / kept.sum().clamp_min(1)


def positive_loss(logits: Tensor, labels: Tensor, class_weight: Tensor, kept: Tensor) -> Tensor:
    """Cross-entropy of the kept samples, a mean weighted by the weight of their class; 0 where none is kept.

    logits: [B, K] float; labels: [B] int64; class_weight: [K] float; kept: [B] float, 0 or 1.
    """
    weights = kept * class_weight.to(logits.dtype)[labels]
    losses = F.cross_entropy(logits, labels, reduction="none")
    return (weights * losses).sum() / weights.sum().clamp_min(torch.finfo(logits.dtype).tiny)


def soft_loss(logits: Tensor, targets: Tensor, class_weight: Tensor) -> Tensor:
    """mean_i w_(argmax t_i) sum_c -t_ic log p_ic, a scalar. logits, targets: [B, K] float; class_weight: [K] float."""
    losses = -(targets * logits.log_softmax(1)).sum(1)
    return (class_weight.to(logits.dtype)[targets.argmax(1)] * losses).mean()


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """[K] float: 1 for the most frequent class, n times as much for one that is n times as rare. labels: [N] int64."""
    counts = torch.bincount(labels, minlength=num_classes).float()
    return counts.max() / counts.clamp_min(1)


class NegativeLearning(Method):
    """Learns "not of class k" for random k, then the same on confident samples, then their labels, then pseudo-labels.

    Stages: NL, SelNL (samples whose mean past p_y is at least 1/K) and SelPL (at least `cut`) go on with one network
    and one optimiser. Then two rounds of pseudo-labelling, each with a new network: it learns the labels of the
    samples that SelPL ended with, and then the next one learns, of all samples, the mean prediction that it made in
    the last `history` epochs of its training. Class weights are by the labels that are learnt. Shares are those of
    the authors' 720, 720, 720 and 2 x 480 epochs; the last stage takes what is left.

    The paper clamps nothing. `authors_behaviour` clamps 1 - p to at least 1e-5, as their code does: a network that has
    become sure of a wrong class for all samples then gets no gradient any more, as happens at large learning rates.
    """

    name = "nlnl"
    title = "NLNL"
    family = "robust loss"
    year = 2019
    reference = "Kim et al., NLNL: Negative Learning for Noisy Labels, ICCV 2019"
    version = 2
    published = PUBLISHED
    hyper = {
        "negative_epochs": epochs(0.23, 1, source="ydkim1293/NLNL: 720 of 3120 epochs"),
        "selective_epochs": epochs(0.23, source="ydkim1293/NLNL: 720 of 3120 epochs"),
        "positive_epochs": epochs(0.23, source="ydkim1293/NLNL: 720 of 3120 epochs"),
        "pseudo_rounds": integer(2, 0, 2, source="ydkim1293/NLNL: 2 times 480 epochs"),
        "complementary": integer(1, 1, 1000, source="ydkim1293/NLNL (CIFAR-100: 110)"),
        "cut": real(0.5, 0, 1, source="ydkim1293/NLNL"),
        "authors_behaviour": flag(False, source="the paper has no clamp"),
        "history": integer(10, 1, 100, search=None, source="ydkim1293/NLNL: epochs in the means of past predictions"),
    }
    negative_epochs: int
    selective_epochs: int
    positive_epochs: int
    pseudo_rounds: int
    complementary: int
    cut: float
    history: int
    authors_behaviour: bool
    class_weight: Tensor
    past: Tensor
    soft: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("class_weight", class_weights(self.task.labels, self.task.num_classes))
        self.register_buffer("past", torch.zeros(self.history, self.task.num_samples))
        self.register_buffer("soft", torch.zeros(self.task.num_samples, self.task.num_classes))

    def lengths(self) -> list[int]:
        """Epochs of each stage: NL, SelNL, SelPL, and every pseudo-labelling round that has any."""
        lengths, left = [], self.task.epochs
        for wanted in (max(1, self.negative_epochs), self.selective_epochs, self.positive_epochs):
            lengths.append(min(wanted, left))
            left -= lengths[-1]
        rounds = min(self.pseudo_rounds, left)
        if not rounds:
            return [*lengths[:2], lengths[2] + left]
        return [*lengths, *[left // rounds] * (rounds - 1), left - left // rounds * (rounds - 1)]

    def stages(self) -> Sequence[Stage]:
        return [Stage(length, restart=number not in (1, 2)) for number, length in enumerate(self.lengths())]

    def stage_start(self, stage: int) -> None:
        if stage > 2:
            self.network.load_state_dict(self.task.network().state_dict())
            kept = self.mean_past(self.past, sum(self.lengths()[:3])) >= self.cut
            learnt = self.task.labels[kept] if stage == 3 else self.soft.argmax(1)
            self.class_weight.copy_(class_weights(learnt, self.task.num_classes))

    def mean_past(self, past: Tensor, epochs: int) -> Tensor:
        """[n]: mean p_y over the last `history` of the epochs in which it was kept. past: [history, n]."""
        return past.sum(0) / max(1, min(self.history, epochs))

    def draw(self, labels: Tensor) -> Tensor:
        """[B, n] int64: classes other than the given one, drawn evenly and independently."""
        steps = torch.randint(
            1, self.task.num_classes, (len(labels), self.complementary), generator=self.task.generator
        )
        return (labels[:, None] + steps.to(labels.device)) % self.task.num_classes

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        lengths = self.lengths()
        before_pseudo = sum(lengths[:3])
        stage = sum(batch.epoch > end for end in accumulate(lengths))
        if stage == 4:
            batch.observe(logits)
            return soft_loss(logits, self.soft[batch.index], self.class_weight)
        p = logits.detach().softmax(1)
        mean_past = self.mean_past(self.past[:, batch.index], min(batch.epoch - 1, before_pseudo))
        threshold = (0.0, 1 / self.task.num_classes, self.cut, self.cut)[stage]
        kept = (mean_past >= threshold).to(logits.dtype)
        if stage == 3:
            window = min(self.history, lengths[3])
            if batch.epoch > before_pseudo + lengths[3] - window:
                self.soft[batch.index] += p / window
        else:
            self.past[(batch.epoch - 1) % self.history, batch.index] = p.gather(1, batch.labels[:, None]).squeeze(1)
        batch.observe(logits, selected=kept)
        if stage >= 2:
            return positive_loss(logits, batch.labels, self.class_weight, kept)
        floor = 1e-5 if self.authors_behaviour else 0.0
        return negative_loss(logits, batch.labels, self.draw(batch.labels), self.class_weight, kept, floor)

    def clean_scores(self) -> Tensor | None:
        return self.past.mean(0)
