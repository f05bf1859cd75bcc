"""Bootstrapping, soft and hard (Reed, Lee, Anguelov, Szegedy, Erhan, Rabinovich; ICLR 2015 workshop)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import flag, real


def clipped_log_softmax(logits: Tensor, clip: float) -> Tensor:
    """[B, K]: log p, with p clamped to [clip, 1 - clip] and no gradient outside; clip 0: as it is."""
    log_p = logits.log_softmax(1)
    return log_p.clamp(math.log(clip), math.log1p(-clip)) if clip > 0 else log_p


def bootstrap_soft_losses(logits: Tensor, labels: Tensor, beta: float, clip: float = 0.0) -> Tensor:
    """[B]: -sum_c (beta onehot(y)_c + (1 - beta) p_c) log p_c; gradients flow through p in the target too.

    logits: [B, K] float; labels: [B] int64. clip: p is clamped to [clip, 1 - clip], without gradient outside.
    """
    log_p = clipped_log_softmax(logits, clip)
    given = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return -((beta * given + (1 - beta) * log_p.exp()) * log_p).sum(1)


def bootstrap_hard_losses(logits: Tensor, labels: Tensor, beta: float, clip: float = 0.0) -> Tensor:
    """[B]: -beta log p_y - (1 - beta) log max_c p_c. Arguments as in `bootstrap_soft_losses`."""
    log_p = clipped_log_softmax(logits, clip)
    rows = torch.stack([labels, logits.argmax(1)], 1)
    given, own = log_p.gather(1, rows).unbind(1)
    return -beta * given - (1 - beta) * own


class SoftBootstrap(Method):
    """The target is the given label mixed with the network's own prediction.

    The paper clamps nothing; `authors_behaviour` clamps p to [1e-7, 1 - 1e-7], as the public Keras code does.
    """

    name = "bootstrap_soft"
    title = "Bootstrap (soft)"
    family = "label refurbishment"
    year = 2015
    reference = "Reed et al., Training Deep Neural Networks on Noisy Labels with Bootstrapping, ICLR 2015 workshop"
    hyper = {
        "beta": real(0.95, 0, 1, source="the paper"),
        "authors_behaviour": flag(False, source="the paper has no clamp"),
    }
    beta: float
    authors_behaviour: bool
    losses = staticmethod(bootstrap_soft_losses)

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return self.losses(logits, batch.labels, self.beta, 1e-7 if self.authors_behaviour else 0.0).mean()


class HardBootstrap(SoftBootstrap):
    """The target is the given label mixed with the class the network finds likeliest; clamps as in `SoftBootstrap`."""

    name = "bootstrap_hard"
    title = "Bootstrap (hard)"
    family = "label refurbishment"
    hyper = {**SoftBootstrap.hyper, "beta": real(0.8, 0, 1, source="the paper")}
    losses = staticmethod(bootstrap_hard_losses)
