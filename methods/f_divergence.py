"""Robust f-divergence measures of pairs and peers (Wei, Liu; ICLR 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Phase
from methods.hyper import choice, epochs
from methods.papers.f_divergence import PUBLISHED
from methods.peers import WithPeers, stable_cross_entropy


def _minus_exponential(v: Tensor) -> Tensor:
    return 1 - v.exp()


# By divergence g and the conjugate f*, of the probabilities v.
DIVERGENCES: Mapping[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "total_variation": (lambda v: v.tanh() / 2, lambda v: v.tanh() / 2),
    "jensen_shannon": (lambda v: math.log(2) + F.logsigmoid(v), lambda v: F.softplus(v) - math.log(2)),
    "pearson": (lambda v: v, lambda v: v**2 / 4 + v),
    "kl": (lambda v: v, lambda v: (v - 1).exp()),
    "reverse_kl": (lambda v: -v.exp(), lambda v: -1 - v),
    "jeffrey": (lambda v: v, lambda v: v + v**2 / 4 + v**3 / 16),
    "squared_hellinger": (_minus_exponential, lambda v: _minus_exponential(v) / v.exp()),
    "neyman": (_minus_exponential, lambda v: 2 - 2 * (1 - v).sqrt()),
}


def f_divergence_loss(
    logits: Tensor, labels: Tensor, peer_logits: Tensor, peer_labels: Tensor, divergence: str
) -> Tensor:
    """-mean g(p_y) + mean f*(p'_y''), a scalar: less the divergence of pairs from independent ones, in its dual form.

    logits, peer_logits: [B, K] float; labels, peer_labels: [B] int64.
    """
    activation, conjugate = DIVERGENCES[divergence]
    paired = logits.softmax(1).gather(1, labels[:, None])
    apart = peer_logits.softmax(1).gather(1, peer_labels[:, None])
    return conjugate(apart).mean() - activation(paired).mean()


class FDivergence(WithPeers):
    """Cross-entropy for `warm_up` epochs; then the f-divergence of image-label pairs from independent ones is raised.

    It is evaluated on probabilities, and without an output activation, as in the authors' code; the paper has functions
    of the reals. They begin from a model that cross-entropy trained, the best on noisy validation labels, and keep the
    one of the largest divergence on these; here is one run, scored like any other. Peers are drawn as for `peer_loss`.

    With reverse_kl, squared_hellinger and neyman their code has g fall as the probability of the given label grows, so
    that what was learnt before is unlearnt: keep to the others.
    """

    name = "f_divergence"
    title = "f-divergence"
    family = "robust loss"
    year = 2021
    passes_per_step = 1.5  # 2 once the peers are looked at
    reference = "Wei, Liu, When Optimizing f-Divergence Is Robust with Label Noise, ICLR 2021"
    published = PUBLISHED
    hyper = {
        "divergence": choice(
            "total_variation", "jensen_shannon", "pearson", "kl", "reverse_kl", "jeffrey", "squared_hellinger",
            "neyman", source="the paper: total variation is among its robust ones",
        ),
        "warm_up": epochs(0.5, source="inferred: a training with cross-entropy, and one as long with the divergence"),
    }  # fmt: skip
    divergence: str
    warm_up: int

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        return [Phase()] if epoch <= self.warm_up else super().epoch_start(epoch)

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        if batch.epoch <= self.warm_up:
            return stable_cross_entropy(logits, batch.labels)
        return f_divergence_loss(logits, batch.labels, *self.peers(batch), self.divergence)
