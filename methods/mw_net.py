"""Meta-Weight-Net: a small network weighs samples by what helps on trusted ones (Shu et al.; NeurIPS 2019)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from methods.base import Batch, Method, initialised_linear
from methods.hyper import integer, real
from methods.papers.mw_net import PUBLISHED
from methods.updates import Optimizers


class WeightNet(nn.Module):
    """A weight in (0, 1) for each loss: two layers, the first of `hidden` rectified units. [B] to [B]."""

    def __init__(self, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear1 = initialised_linear(1, hidden, generator)
        self.linear2 = initialised_linear(hidden, 1, generator)

    def forward(self, losses: Tensor) -> Tensor:
        weights: Tensor = self.linear2(self.linear1(losses[:, None]).relu())
        return weights.sigmoid().squeeze(1)


def loss_ahead(network: nn.Module, weigh: nn.Module, images: Tensor, labels: Tensor, told: Any, rate: float) -> Tensor:
    """The loss on trusted samples after a plain step of `rate` along the weighted loss, a function of `weigh` alone.

    The network, its statistics too, stays as it is. images: [B, ...]; labels: [B] int64; told: a `TrustedBatch`.
    """
    own = dict(network.named_parameters())
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    losses = F.cross_entropy(functional_call(network, own | buffers, (images,)), labels, reduction="none")
    weighted = (weigh(losses.detach()) * losses).mean()
    slopes = torch.autograd.grad(weighted, list(own.values()), create_graph=True, materialize_grads=True)
    moved = {name: value - rate * slope for (name, value), slope in zip(own.items(), slopes, strict=True)}
    return F.cross_entropy(functional_call(network, moved | buffers, (told.views[0],)), told.labels)


class MetaWeightNet(Method):
    """Each loss is weighed by a small network, which sees the loss alone. It learns first in every step: by the loss of
    trusted samples after a step that the network would take with its weights. Then the network takes its step.

    What a reader of the paper would not expect of their code: weights are not normalised, and the loss is their sum
    with the losses over the batch size; the step ahead is plain gradient descent at the rate of the schedule, without
    momentum or weight decay, while the network's own step has both; statistics of batch normalisation are not moved
    by it. Their trusted samples are 1000, as many of each class, and their batches as large as the others.
    """

    name = "mw_net"
    title = "Meta-Weight-Net"
    family = "meta-learning"
    year = 2019
    reference = "Shu et al., Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting, NeurIPS 2019"
    needs = frozenset({"trusted"})
    passes_per_step = 3.0  # 1 of each image, 1 to look ahead, and the trusted ones there
    published = PUBLISHED
    hyper = {
        "hidden": integer(100, 1, 100_000, source="xjtushujun/meta-weight-net"),
        "weight_lr": real(0.001, 0, 10, scale="log", search=(1e-5, 1e-1), source="xjtushujun/meta-weight-net (Adam)"),
        "weight_decay": real(1e-4, 0, 1, search=None, source="xjtushujun/meta-weight-net (of the weighing network)"),
        "trusted_batch": integer(100, 1, 100_000, search=None, source="xjtushujun/meta-weight-net"),
    }
    hidden: int
    weight_lr: float
    weight_decay: float
    trusted_batch: int

    def build(self) -> None:
        super().build()
        self.weigh = WeightNet(self.hidden, self.task.generator)

    def parameter_groups(self) -> list[dict[str, Any]]:
        adam = {"optimizer": "adam", "lr": self.weight_lr, "weight_decay": self.weight_decay, "schedule": False}
        network = {"name": "network", "params": list(self.network.parameters())}
        return [network, {"name": "weights", "params": list(self.weigh.parameters()), **adam}]

    def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        told, rate = self.task.trusted.batch(self.trusted_batch), optimizers.rate("network")
        ahead = loss_ahead(self.network, self.weigh, batch.views[0], batch.labels, told, rate)
        optimizers.descend(ahead, "weights")
        logits = self.network(batch.views[0])
        losses = F.cross_entropy(logits, batch.labels, reduction="none")
        weights = self.weigh(losses.detach()).detach()
        batch.observe(logits, weight=weights)
        loss: Tensor = (weights * losses).mean()
        optimizers.descend(loss, "network")
        return loss
