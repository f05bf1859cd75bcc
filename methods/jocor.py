"""JoCoR: joint training of two networks with co-regularisation (Wei, Feng, Chen, An; CVPR 2020)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch
from methods.co_teaching import CoTeaching
from methods.hyper import epochs, real
from methods.papers.jocor import PUBLISHED
from methods.two_networks import smallest


def jocor_losses(logits_1: Tensor, logits_2: Tensor, labels: Tensor, agreement: float) -> Tensor:
    """[B]: (1 - lambda) (CE_1 + CE_2) + lambda (KL(p_1 || p_2) + KL(p_2 || p_1)), lambda = `agreement`.

    logits_1, logits_2: [B, K] float; labels: [B] int64. Gradients flow through both sides of both divergences.
    """
    log_1, log_2 = logits_1.log_softmax(1), logits_2.log_softmax(1)
    ce = F.cross_entropy(logits_1, labels, reduction="none") + F.cross_entropy(logits_2, labels, reduction="none")
    divergence = ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).sum(1)
    return (1 - agreement) * ce + agreement * divergence


def jocor_loss(
    logits_1: Tensor, logits_2: Tensor, labels: Tensor, kept: int, agreement: float
) -> tuple[Tensor, Tensor]:
    """The mean of the `kept` smallest joint losses, a scalar for both networks, and their positions, smallest first."""
    losses = jocor_losses(logits_1, logits_2, labels, agreement)
    picks = smallest(losses, kept)
    return losses[picks].mean(), picks


class JoCoR(CoTeaching):
    """Two networks with one loss, of which a divergence between their predictions is a part; both learn from the
    samples of a batch whose joint loss is smallest.

    The share left out grows from 0 to the noise rate over the first `gradual` epochs; at least one sample is kept. The
    authors take half the nominal rate under asymmetric noise, where half the classes keep their label: the share of
    wrong labels, which is the noise rate here. Each network is scored by itself, as in the paper.
    """

    name = "jocor"
    title = "JoCoR"
    family = "sample selection"
    year = 2020
    reference = (
        "Wei et al., Combating Noisy Labels by Agreement: A Joint Training Method with Co-Regularization, CVPR 2020"
    )
    published = PUBLISHED
    hyper = {
        "forget_rate": real(None, 0, 1, source="hongxin001/JoCoR: the noise rate (tau), where not given"),
        "gradual": epochs(10, source="hongxin001/JoCoR: 10 of 200 epochs (T_k)"),
        "exponent": real(1.0, 0, 10, source="hongxin001/JoCoR (c)"),
        "agreement": real(
            0.1, 0, 1,
            source="hongxin001/JoCoR, code (lambda; its README, with Adam: CIFAR-10 .9, at 80% .65; CIFAR-100 .85)",
        ),
    }  # fmt: skip
    agreement: float

    def loss(self, batch: Batch) -> Tensor:
        logits = self.answers(batch)
        loss, picks = jocor_loss(*logits, batch.labels, self.kept(batch), self.agreement)
        self.observe_trade(batch, logits, (picks, picks))
        return loss
