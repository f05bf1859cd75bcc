"""ANL-FL: normalised focal loss and its negative (Ye, Li, Dai, Wang; NeurIPS 2023)."""

from __future__ import annotations

from torch import Tensor

from methods.active_negative import absolute_sum, negative_focal, normalized_focal
from methods.anl_ce import ActiveNegativeCrossEntropy
from methods.base import Batch, Method
from methods.hyper import real
from methods.papers.active_negative import PUBLISHED


class ActiveNegativeFocal(Method):
    """alpha NFL + beta NNFL + delta times the sum of all weights' absolute values; of that, `anl_ce` tells.

    No gradient passes through the focal factor (1 - p)^gamma, in the sums over the classes neither. Defaults are the
    authors' for CIFAR-10 (CIFAR-100: 10, 1 and 5e-7).
    """

    name = "anl_fl"
    title = "ANL-FL"
    family = "robust loss"
    year = 2023
    reference = "Ye et al., Active Negative Loss Functions for Learning with Noisy Labels, NeurIPS 2023"
    published = PUBLISHED
    hyper = {
        "alpha": ActiveNegativeCrossEntropy.hyper["alpha"],
        "beta": ActiveNegativeCrossEntropy.hyper["beta"],
        "delta": ActiveNegativeCrossEntropy.hyper["delta"],
        "gamma": real(0.5, 0, 10, source="Virusdoll/Active-Negative-Loss"),
    }
    alpha: float
    beta: float
    delta: float
    gamma: float

    def loss(self, batch: Batch) -> Tensor:
        logits, labels = self.network(batch.views[0]), batch.labels
        batch.observe(logits)
        active = normalized_focal(logits, labels, self.gamma)
        negative = negative_focal(logits, labels, self.gamma)
        loss = (self.alpha * active + self.beta * negative).mean()
        return loss + self.delta * absolute_sum(self.network.parameters())
