"""Co-teaching+: co-teaching among the samples that the two networks disagree on (Yu et al.; ICML 2019)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch
from methods.co_teaching import CoTeaching, kept_count
from methods.hyper import epochs, flag, real
from methods.papers.co_teaching_plus import PUBLISHED

AGREEING_STEPS = 5000  # up to this count the authors train on a whole batch that the networks agree on


def disagreement(logits_1: Tensor, logits_2: Tensor) -> Tensor:
    """[B] bool: where the classes predicted by the two networks differ. logits_1, logits_2: [B, K] float."""
    return logits_1.argmax(1) != logits_2.argmax(1)


def kept_of(count: Tensor, size: int, forget: float, at_least: int) -> Tensor:
    """`kept_count` of `count` samples (int64 scalar, at most `size`), at least `at_least`, found on the device."""
    table = torch.tensor([max(at_least, kept_count(number, forget)) for number in range(size + 1)])
    # an index of no dimensions would be read on the host
    return table.to(count.device, non_blocking=True).take(count).clamp(max=count)


def co_teaching_plus_loss(
    logits_1: Tensor,
    logits_2: Tensor,
    labels: Tensor,
    forget: float,
    iteration: int = 0,
    authors_behaviour: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Each network's mean cross-entropy over the samples of the disagreement that its peer finds easiest.

    logits_1, logits_2: [B, K] float; labels: [B] int64; forget: share left out of the disagreement, of which at least
    one sample is kept. Returns loss_1, loss_2 (scalars), order_1, order_2 ([B] int64, positions in the batch, those of
    the disagreement first, smallest loss first) and kept (scalar int64): loss_1 is over the first `kept` of order_2,
    loss_2 over those of order_1. Without disagreement kept and losses are 0.

    authors_behaviour: the disagreement's cross-entropies are of softmax(softmax(z)) and are divided by `kept` twice;
    where none would be kept, all are; and a batch without disagreement has the mean over all its samples, in batch
    order, as its loss as long as `iteration` (epoch times number of the batch) is below 5000. (That their code also
    drops sample 0 of the data set is not imitated.)
    """
    size, apart = len(labels), disagreement(logits_1, logits_2)
    count = apart.sum()
    outputs = [logits.softmax(1) if authors_behaviour else logits for logits in (logits_1, logits_2)]
    losses_1, losses_2 = (F.cross_entropy(output, labels, reduction="none") for output in outputs)
    order_1, order_2 = (
        torch.argsort(losses.detach().masked_fill(~apart, math.inf), stable=True) for losses in (losses_1, losses_2)
    )
    kept = kept_of(count, size, forget, at_least=0 if authors_behaviour else 1)
    if authors_behaviour:
        kept = torch.where(kept == 0, count, kept)
    within = torch.arange(size, device=labels.device) < kept
    loss_1, loss_2 = (
        (losses[order] * within).sum() / kept.clamp_min(1)
        for losses, order in ((losses_1, order_2), (losses_2, order_1))
    )
    if authors_behaviour:
        loss_1, loss_2 = loss_1 / kept.clamp_min(1), loss_2 / kept.clamp_min(1)
        whole = 1.0 if iteration < AGREEING_STEPS else 0.0
        loss_1 = torch.where(count == 0, whole * losses_1.mean(), loss_1)
        loss_2 = torch.where(count == 0, whole * losses_2.mean(), loss_2)
        kept = torch.where(count == 0, size, kept)
    return loss_1, loss_2, order_1, order_2, kept


class CoTeachingPlus(CoTeaching):
    """Co-teaching for `warm_up` epochs, after them co-teaching among the samples whose predicted classes differ.

    A batch that the networks agree on moves nothing but through momentum and weight decay; the authors train on the
    whole of it early on, which comes with `authors_behaviour`, as do their other departures from the paper (see
    `co_teaching_plus_loss`). What is observed as `selected` is the mean of the two choices; a sample that the networks
    agree on is in none, so that it says little of whether its label is wrong. Each network is scored by itself, as in
    the paper.
    """

    name = "co_teaching_plus"
    title = "Co-teaching+"
    family = "sample selection"
    year = 2019
    reference = "Yu et al., How does Disagreement Help Generalization against Label Corruption?, ICML 2019"
    published = PUBLISHED
    hyper = {
        **CoTeaching.hyper,
        "forget_rate": real(None, 0, 1, source="xingruiyu/coteaching_plus: the noise rate (tau), where not given"),
        "gradual": epochs(10, source="xingruiyu/coteaching_plus: 10 of 200 epochs (E_k)"),
        "exponent": real(1.0, 0, 10, source="xingruiyu/coteaching_plus: linear"),
        "warm_up": epochs(0.1, source="xingruiyu/coteaching_plus, CIFAR-10: 20 of 200 epochs (CIFAR-100: 5)"),
        "authors_behaviour": flag(False, source="the paper"),
    }
    warm_up: int

    def loss(self, batch: Batch) -> Tensor:
        if batch.epoch <= self.warm_up:
            return super().loss(batch)
        logits_1, logits_2 = self.answers(batch)
        iteration = batch.epoch * self.number_in_epoch(batch) if self.authors_behaviour else 0
        loss_1, loss_2, order_1, order_2, kept = co_teaching_plus_loss(
            logits_1, logits_2, batch.labels, self.forget(batch.epoch), iteration, self.authors_behaviour
        )
        within = (torch.arange(len(batch.labels), device=kept.device) < kept).float()
        selected = torch.zeros_like(within).scatter_add_(0, order_1, within / 2).scatter_add_(0, order_2, within / 2)
        batch.observe((logits_1 + logits_2) / 2, selected=selected)
        return loss_1 + loss_2

    def number_in_epoch(self, batch: Batch) -> int:
        """How many batches of this epoch came before, from the run's clock."""
        batches = math.ceil(self.task.num_samples / self.task.batch_size)
        return round((batch.progress - (batch.epoch - 1)) * batches)
