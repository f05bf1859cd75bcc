"""Inputs for tests of pure loss functions: a small batch of logits and labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.elr import elr_terms

CLASSES = 7
SIZE = 12


def draw(seed: int = 0, scale: float = 2.0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(SIZE, CLASSES, generator=generator, dtype=torch.float64)
    return logits.to(dtype), torch.randint(CLASSES, (SIZE,), generator=generator)


def onehot(labels: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    return F.one_hot(labels, CLASSES).to(dtype)


def eye(logits: Tensor) -> Tensor:
    return torch.eye(CLASSES, dtype=logits.dtype)


def elr_loss(logits: Tensor, labels: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """The sum of the terms that the method is made of."""
    terms = elr_terms(logits, labels, targets, penalty)
    return terms["cross_entropy"] + terms["regulariser"]
