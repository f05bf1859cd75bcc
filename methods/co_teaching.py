"""Co-teaching: two networks choose the small-loss samples for each other (Han et al.; NeurIPS 2018)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch
from methods.hyper import epochs, flag, real
from methods.papers.co_teaching import PUBLISHED
from methods.two_networks import TwoNetworks, traded


def forget_rate(epoch: int, rate: float, gradual: int, exponent: float = 1.0) -> float:
    """Share of a batch left out in epoch `epoch` (from 1): `gradual` even steps, 0 to rate^exponent, then `rate`."""
    if epoch > gradual:
        return rate
    if epoch == gradual > 1:
        return float(rate**exponent)
    return (epoch - 1) * float(rate**exponent / max(1, gradual - 1))


def kept_count(batch_size: int, forget: float) -> int:
    """Samples kept of a batch: the floor of the floating-point product, as in the authors' code (19 of 100 at .8)."""
    return int((1 - forget) * batch_size)


def co_teaching_loss(
    logits_1: Tensor, logits_2: Tensor, labels: Tensor, kept: int, authors_behaviour: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each network's mean cross-entropy over the `kept` samples that its peer finds easiest.

    logits_1, logits_2: [B, K] float; labels: [B] int64. Returns loss_1, loss_2 (scalars) and picks_1, picks_2 ([kept]
    int64, positions in the batch, smallest loss first): loss_1 is over picks_2, loss_2 over picks_1.
    authors_behaviour: both means are divided by `kept` a second time, as the authors' code does.
    """
    losses_1 = F.cross_entropy(logits_1, labels, reduction="none")
    losses_2 = F.cross_entropy(logits_2, labels, reduction="none")
    loss_1, loss_2, picks_1, picks_2 = traded(losses_1, losses_2, kept)
    again = kept if authors_behaviour else 1
    return loss_1 / again, loss_2 / again, picks_1, picks_2


class CoTeaching(TwoNetworks):
    """Two networks; each learns from the samples of a batch that the other finds easiest.

    The share left out grows from 0 to the noise rate over the first `gradual` epochs (the authors' loops count epochs
    from 1 and so never use the 0: their share is one epoch ahead). At least one sample is kept. What is observed as
    `selected` is the mean of the two networks' choices: 0, 1/2 or 1 for a sample. Each network is scored by itself, as
    in the paper. `authors_behaviour` divides each loss by the number of kept samples twice; the paper once.
    """

    name = "co_teaching"
    title = "Co-teaching"
    family = "sample selection"
    year = 2018
    reference = (
        "Han et al., Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels, NeurIPS 2018"
    )
    published = PUBLISHED
    needs = frozenset({"noise_rate"})
    passes_per_step = 2.0
    hyper = {
        "forget_rate": real(None, 0, 1, source="bhanML/Co-teaching: the noise rate (tau), where not given"),
        "gradual": epochs(10, source="bhanML/Co-teaching: 10 of 200 epochs (T_k)"),
        "exponent": real(1.0, 0, 10, source="bhanML/Co-teaching (c)"),
        "authors_behaviour": flag(False, source="the paper divides once"),
    }
    forget_rate: float | None
    gradual: int
    exponent: float
    authors_behaviour: bool

    def build(self) -> None:
        super().build()
        self.rate: float = self.task.known("noise_rate") if self.forget_rate is None else self.forget_rate

    def forget(self, epoch: int) -> float:
        """The share of a batch that is left out in epoch `epoch` (from 1)."""
        return forget_rate(epoch, self.rate, self.gradual, self.exponent)

    def kept(self, batch: Batch) -> int:
        """How many samples of the batch are kept, at least one."""
        return max(1, kept_count(len(batch.labels), self.forget(batch.epoch)))

    def loss(self, batch: Batch) -> Tensor:
        logits = self.answers(batch)
        loss_1, loss_2, *picks = co_teaching_loss(*logits, batch.labels, self.kept(batch), self.authors_behaviour)
        self.observe_trade(batch, logits, (picks[0], picks[1]))
        return loss_1 + loss_2
