"""Peers: the image of one sample with the label of another, both drawn independently.

A network that learns labels by heart is as sure on them as on any other, so methods take their loss from that of the
samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase

EPSILON = 1e-5  # added to p inside logarithms, which would else be unbounded below


def stable_cross_entropy(logits: Tensor, labels: Tensor, epsilon: float = EPSILON) -> Tensor:
    """mean_i -log(p_y + epsilon), a scalar. logits: [B, K] float; labels: [B] int64."""
    return F.nll_loss((logits.softmax(1) + epsilon).log(), labels)


class WithPeers(Method):
    """What methods with peers share: a second stream of images, and labels of samples drawn anew for each step."""

    passes_per_step = 2.0

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        return [Phase(streams={"peers": (torch.arange(self.task.num_samples), self.task.batch_size)})]

    def step_draws(self, batch_size: int) -> Mapping[str, Tensor]:
        most = self.task.batch_size + 1  # a last batch of one sample joins the one before
        return {"peers": torch.randint(self.task.num_samples, (most,), generator=self.task.generator)}

    def peers(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits of the peers' images, in a pass of their own, and as many labels of other samples."""
        images, rows = batch.streams["peers"].views[0], batch.draws["peers"]
        return self.network(images), self.task.labels[rows[: len(images)]]
