"""What the method is made of, apart from its class: so it can be tested alone."""

from __future__ import annotations

from torch import Tensor


def disagreement(logits: Tensor, others: Tensor) -> Tensor:
    """A scalar: the mean squared distance of two predictions' probabilities. logits, others: [B, K] float."""
    return (logits.softmax(1) - others.softmax(1)).square().sum(1).mean()
