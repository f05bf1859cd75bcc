"""VolMinNet: a transition matrix learnt with the network, of least volume (Li, Liu, Han, Niu, Sugiyama; ICML 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from methods.base import Batch, Method
from methods.hyper import choice, real
from methods.loss_correction import forward_losses
from methods.papers.volminnet import PUBLISHED


def volume_matrix(weights: Tensor) -> Tensor:
    """[K, K]: 1 on the diagonal and sigmoid(w_ij) off it, each row divided by its sum. weights: [K, K] float.

    The diagonal of `weights` has no effect. Every class stays the likeliest label of itself.
    """
    identity = torch.eye(len(weights), dtype=weights.dtype, device=weights.device)
    odds = identity + weights.sigmoid() * (1 - identity)
    return odds / odds.sum(1, keepdim=True)


def log_volume(matrix: Tensor) -> Tensor:
    """log |det T|, a scalar. matrix: [K, K] float."""
    volume: Tensor = torch.linalg.slogdet(matrix).logabsdet
    return volume


def volminnet_loss(logits: Tensor, labels: Tensor, weights: Tensor, penalty: float) -> Tensor:
    """mean_i -log sum_c p_c T_cy + lambda log |det T|, a scalar. logits: [B, K]; labels: [B] int64; weights: [K, K]."""
    matrix = volume_matrix(weights)
    return forward_losses(logits, labels, matrix).mean() + penalty * log_volume(matrix)


class VolMinNet(Method):
    """Forward correction whose T is learnt in the same steps, from near the identity, by an optimiser of its own.

    A penalty on the volume of T picks the smallest that explains the labels. The rate of T follows the suite's
    schedule. Defaults are the authors' for CIFAR-10 (CIFAR-100: `initial` 4.5, and `matrix_optimizer` adam).

    Their network returns probabilities, whose product with T enters a logarithm without a clamp; here it is calculated
    in log space. They report the epoch of the lowest loss on noisy validation labels; which epoch counts here is the
    suite's to say.
    """

    name = "volminnet"
    title = "VolMinNet"
    family = "loss correction"
    year = 2021
    reference = "Li et al., Provably End-to-end Label-noise Learning without Anchor Points, ICML 2021"
    published = PUBLISHED
    hyper = {
        "penalty": real(1e-4, 0, 10, scale="log", search=(1e-5, 1e-2), source="VolMinNet's code (lam)"),
        "initial": real(2.0, 0, 10, source="VolMinNet's code, CIFAR-10: sigmoid(-2) off the diagonal (CIFAR-100: 4.5)"),
        "matrix_lr": real(0.01, 0, 10, scale="log", source="VolMinNet's code"),
        "matrix_optimizer": choice("sgd", "adam", source="VolMinNet's code, CIFAR-10 (CIFAR-100 and MNIST: adam)"),
    }
    penalty: float
    initial: float
    matrix_lr: float
    matrix_optimizer: str

    def build(self) -> None:
        super().build()
        self.weights = nn.Parameter(torch.full((self.task.num_classes, self.task.num_classes), -self.initial))

    def parameter_groups(self) -> list[dict[str, Any]]:
        momentum = {"momentum": 0.9, "nesterov": False} if self.matrix_optimizer == "sgd" else {}
        own = {"optimizer": self.matrix_optimizer, "lr": self.matrix_lr, "weight_decay": 0.0, **momentum}
        return [{"params": list(self.network.parameters())}, {"params": [self.weights], **own}]

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return volminnet_loss(logits, batch.labels, self.weights, self.penalty)
