"""SAT: self-adaptive training (Huang, Zhang, Zhang; NeurIPS 2020)."""

from __future__ import annotations

from torch import Tensor

from methods.hyper import epochs, real
from methods.papers.sat import PUBLISHED
from methods.selc import SelfEnsembleLabelCorrection

TINY = 1e-30  # under any target inside the logarithm of the reverse term: 0 log 0 counts as 0


def sat_weights(targets: Tensor) -> Tensor:
    """[B]: each sample's largest target, over the batch's mean of them. targets: [B, K] float, constants."""
    largest = targets.max(1).values
    return largest / largest.mean()


def sat_loss(logits: Tensor, targets: Tensor, reverse: float = 0.0) -> Tensor:
    """mean_i w_i (CE(t, p) + reverse CE(p, t)), a scalar, with the weights of `sat_weights`.

    logits, targets: [B, K] float; targets are those after this step's update, and constants.
    """
    wanted, log_p = targets.detach(), logits.log_softmax(1)
    losses = -(wanted * log_p).sum(1)
    if reverse > 0:
        losses = losses - reverse * (log_p.exp() * wanted.clamp_min(TINY).log()).sum(1)
    return (sat_weights(wanted) * losses).mean()


class SelfAdaptiveTraining(SelfEnsembleLabelCorrection):
    """Cross-entropy for `start` epochs; after them the targets follow the predictions, and the surest weigh most.

    The targets are updated before each loss, and begin as the given labels. With `reverse` over 0 it is the authors'
    SCE variant. Theirs is a run of 200 epochs in batches of 256 along a cosine; on networks of another width than 64
    their code alters `momentum` and `start`, which is not done here.
    """

    name = "sat"
    title = "SAT"
    family = "label refurbishment"
    year = 2020
    reference = "Huang et al., Self-Adaptive Training: beyond Empirical Risk Minimization, NeurIPS 2020"
    published = PUBLISHED
    hyper = {
        "momentum": real(0.9, 0, 1, search=(0.5, 0.99), source="LayneH/self-adaptive-training, CIFAR"),
        "start": epochs(0.3, source="LayneH/self-adaptive-training, CIFAR: 60 of 200 epochs (es)"),
        "reverse": real(0.0, 0, 100, source="the paper; LayneH/self-adaptive-training, SCE variant: beta"),
    }
    reverse: float

    def corrected_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return sat_loss(logits, targets, self.reverse)
