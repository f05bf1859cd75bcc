"""CDR: only the parameters critical for the clean labels follow the gradient (Xia et al.; ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import epochs, real


def critical_gradients(
    weights: Sequence[Tensor], gradients: Sequence[Tensor], share: float, scale: float
) -> list[Tensor]:
    """Gradients times `scale` where |w g| is among the largest int(share * count) of all the weights, else 0.

    weights, gradients: tensors of equal shapes, taken together for the ranking.
    """
    products = [(weight * gradient).abs() for weight, gradient in zip(weights, gradients, strict=True)]
    ranked = torch.cat([product.flatten() for product in products])
    kept = max(1, int(share * len(ranked)))
    threshold = ranked.kthvalue(len(ranked) - kept + 1).values
    return [scale * gradient * (product >= threshold) for product, gradient in zip(products, gradients, strict=True)]


class CriticalGradients(Method):
    """Cross-entropy; the gradients of weights outside the critical share 1 - r are dropped, the others scaled by 1 - r.

    Weights are those of convolutions and linear layers, r the noise rate; what moves a dropped weight is the optimiser
    alone, by weight decay and earlier momentum. The authors' code prepares a gradual decline of the scale and then
    overwrites it by the constant, which is also the paper's; `gradual` > 0 lets it fall from 1 to 1 - r over so
    many epochs.
    """

    name = "cdr"
    title = "CDR"
    family = "regularisation"
    year = 2021
    reference = "Xia et al., Robust Early-Learning: Hindering the Memorization of Noisy Labels, ICLR 2021"
    needs = frozenset({"noise_rate"})
    hyper = {
        "rate": real(None, 0, 0.99, source="the paper: the noise rate, where not given"),
        "gradual": epochs(0, source="xiaoboxia/CDR as it runs: constant"),
    }
    rate: float | None
    gradual: int

    def build(self) -> None:
        super().build()
        self.noise_rate: float = self.task.known("noise_rate") if self.rate is None else self.rate

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)

    def after_backward(self, batch: Batch) -> None:
        done = min(1.0, (batch.epoch - 1) / self.gradual) if self.gradual else 1.0
        pairs = [(w, w.grad) for w in self.network.parameters() if w.grad is not None and w.dim() in (2, 4)]
        weights, own = [w for w, _ in pairs], [gradient for _, gradient in pairs]
        with torch.no_grad():
            gradients = critical_gradients(weights, own, 1 - self.noise_rate, 1 - done * self.noise_rate)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
