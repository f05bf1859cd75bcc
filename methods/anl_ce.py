"""ANL-CE: normalised cross-entropy and its negative (Ye, Li, Dai, Wang; NeurIPS 2023)."""

from __future__ import annotations

from torch import Tensor

from methods.active_negative import FLOOR, absolute_sum, entropy_gap, negative_cross_entropy
from methods.active_passive import normalized_cross_entropy
from methods.base import Batch, Method
from methods.hyper import real
from methods.papers.active_negative import PUBLISHED


class ActiveNegativeCrossEntropy(Method):
    """alpha NCE + beta NNCE + delta times the sum of all weights' absolute values.

    The authors take no weight decay beside their L1 term, which counts every parameter, biases and those of
    normalisation too; a suite's weight decay comes on top. They also clip the gradient's norm at 5. With `entropy` over
    0 it is ANL-CE-ER, which adds that multiple of log K less the entropy of the batch's mean prediction, and clamps p
    in NNCE from above as well; their released script cannot run it. Defaults are theirs for CIFAR-10 (CIFAR-100: 10, 1,
    5e-7 and .01; WebVision: 20, 1, 5e-6).
    """

    name = "anl_ce"
    title = "ANL-CE"
    family = "robust loss"
    year = 2023
    reference = "Ye et al., Active Negative Loss Functions for Learning with Noisy Labels, NeurIPS 2023"
    published = PUBLISHED
    hyper = {
        "alpha": real(5.0, 0, 1000, source="Virusdoll/Active-Negative-Loss, CIFAR-10"),
        "beta": real(5.0, 0, 1000, source="Virusdoll/Active-Negative-Loss, CIFAR-10"),
        "delta": real(5e-5, 0, 1, scale="log", source="Virusdoll/Active-Negative-Loss, CIFAR-10"),
        "entropy": real(0.0, 0, 1000, source="Virusdoll/Active-Negative-Loss, ANL-CE (ANL-CE-ER, CIFAR-10: 2)"),
    }
    alpha: float
    beta: float
    delta: float
    entropy: float

    def loss(self, batch: Batch) -> Tensor:
        logits, labels = self.network(batch.views[0]), batch.labels
        batch.observe(logits)
        negative = negative_cross_entropy(logits, labels, ceiling=1 - FLOOR if self.entropy else 1.0)
        loss = (self.alpha * normalized_cross_entropy(logits, labels) + self.beta * negative).mean()
        if self.entropy:
            loss = loss + self.entropy * entropy_gap(logits)
        return loss + self.delta * absolute_sum(self.network.parameters())
