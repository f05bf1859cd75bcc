"""Pure functions of the losses: limits in which they are cross-entropy, and extreme logits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from loss_inputs import CLASSES, SIZE, draw, elr_loss, eye, onehot
from torch import Tensor

from methods.active_passive import mean_absolute_error, normalized_cross_entropy
from methods.bootstrap import bootstrap_hard_losses, bootstrap_soft_losses
from methods.car import car_loss
from methods.co_teaching import co_teaching_loss, kept_count
from methods.co_teaching_plus import co_teaching_plus_loss
from methods.cores import cores_loss, cores_losses
from methods.divide_mix import confidence_penalty, prior_penalty, semi_loss
from methods.elr import elr_targets
from methods.gce import gce_losses
from methods.jocor import jocor_loss
from methods.label_smoothing import label_smoothing_loss
from methods.logit_clip import clipped_logits
from methods.loss_correction import backward_losses, forward_losses, invert
from methods.mixup import mixup_loss
from methods.nlnl import negative_loss, positive_loss
from methods.sce import reverse_cross_entropy, sce_loss
from methods.selc import selc_loss
from methods.sop import sop_loss

Loss = Callable[[Tensor, Tensor], Tensor]
CROSS_ENTROPY_LIMITS: dict[str, Loss] = {
    "elr, no penalty": lambda z, y: elr_loss(z, y, z.softmax(1), 0.0),
    "bootstrap soft, b = 1": lambda z, y: bootstrap_soft_losses(z, y, 1.0).mean(),
    "bootstrap hard, b = 1": lambda z, y: bootstrap_hard_losses(z, y, 1.0).mean(),
    "car, h = 1": lambda z, y: car_loss(z, onehot(y, z.dtype), None, 10.0, 0.0),
    "label smoothing, r = 0": lambda z, y: label_smoothing_loss(z, y, 0.0),
    "sce, beta = 0": lambda z, y: sce_loss(z, y, 0.1, 0.0) / 0.1,
    "forward, T = I": lambda z, y: forward_losses(z, y, eye(z)).mean(),
    "backward, T = I": lambda z, y: backward_losses(z, y, invert(eye(z))).mean(),
    "mixup, share 1": lambda z, y: mixup_loss(z, y, y.flip(0), 1.0),
    "mixup with itself": lambda z, y: mixup_loss(z, y, y, 0.3),
    "selc, one-hot targets": lambda z, y: selc_loss(z, onehot(y, z.dtype)),
    "cores, b = 0": lambda z, y: cores_loss(cores_losses(z, y, 0.0, None)[0], torch.ones(SIZE, dtype=z.dtype)),
    "nlnl, positive": lambda z, y: positive_loss(z, y, torch.ones(CLASSES), torch.ones(SIZE, dtype=z.dtype)),
    "jocor, nothing forgotten": lambda z, y: jocor_loss(z, z, y, SIZE, 0.0)[0] / 2,
    "divide-mix, labelled": lambda z, y: semi_loss(z, onehot(y, z.dtype), z[:0], z[:0], 25.0),
    "co-teaching, nothing forgotten": lambda z, y: co_teaching_loss(z, z.flip(1), y, kept_count(SIZE, 0.0))[0],
}


@pytest.mark.parametrize("limit", CROSS_ENTROPY_LIMITS)
def test_limit_is_cross_entropy(limit: str) -> None:
    logits, labels = draw()
    logits.requires_grad_()
    loss = CROSS_ENTROPY_LIMITS[limit](logits, labels)
    reference = F.cross_entropy(logits, labels)
    torch.testing.assert_close(loss, reference, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        torch.autograd.grad(loss, logits)[0], torch.autograd.grad(reference, logits)[0], rtol=1e-10, atol=1e-10
    )


CLAMPED: dict[str, tuple[Loss, Loss]] = {
    "bootstrap soft": (
        lambda z, y: bootstrap_soft_losses(z, y, 0.95),
        lambda z, y: bootstrap_soft_losses(z, y, 0.95, 1e-7),
    ),
    "bootstrap hard": (
        lambda z, y: bootstrap_hard_losses(z, y, 0.8),
        lambda z, y: bootstrap_hard_losses(z, y, 0.8, 1e-7),
    ),
    "forward": (lambda z, y: forward_losses(z, y, eye(z)), lambda z, y: forward_losses(z, y, eye(z), 1e-7)),
    "backward": (lambda z, y: backward_losses(z, y, eye(z)), lambda z, y: backward_losses(z, y, eye(z), 1e-7)),
    "sce": (lambda z, y: sce_loss(z, y, 0.1, 1.0), lambda z, y: sce_loss(z, y, 0.1, 1.0, 1e-7, 1e-7)),
    "gce": (lambda z, y: gce_losses(z, y, 0.7), lambda z, y: gce_losses(z, y, 0.7, 1e-7)),
}


@pytest.mark.parametrize("name", CLAMPED)
def test_clamps_matter_only_where_they_are_active(name: str) -> None:
    plain, clamped = CLAMPED[name]
    logits, labels = draw()
    torch.testing.assert_close(plain(logits, labels), clamped(logits, labels), rtol=1e-12, atol=1e-12)
    wide = 20 * logits
    assert not torch.allclose(plain(wide, labels), clamped(wide, labels), rtol=1e-9, atol=1e-9)


ANYWHERE: dict[str, Loss] = {
    **CROSS_ENTROPY_LIMITS,
    "elr": lambda z, y: elr_loss(z, y, elr_targets(torch.zeros_like(z), z, 0.7), 3.0),
    "elr, against": lambda z, y: elr_loss(z, y, elr_targets(torch.zeros_like(z), z.flip(1), 0.0), 7.0),
    "bootstrap soft": lambda z, y: bootstrap_soft_losses(z, y, 0.95).mean(),
    "bootstrap hard": lambda z, y: bootstrap_hard_losses(z, y, 0.8).mean(),
    "car": lambda z, y: car_loss(z, onehot(y, z.dtype).clamp_min(1e-4), z[:, 0], 10.0, 0.1),
    "car, exact zeros": lambda z, y: car_loss(z, onehot(y, z.dtype), z[:, 0], 10.0, 0.1),
    "car, authors": lambda z, y: car_loss(z, onehot(y, z.dtype).clamp_min(1e-4), z[:, 0], 10.0, 0.1, True),
    "label smoothing": lambda z, y: label_smoothing_loss(z, y, -4.0),
    "logit clip": lambda z, y: F.cross_entropy(clipped_logits(z, 1.5), y),
    "logit clip, highest order": lambda z, y: F.cross_entropy(clipped_logits(z, 1.5, 100.0), y),
    "sce": lambda z, y: sce_loss(z, y, 0.1, 1.0),
    "gce": lambda z, y: gce_losses(z, y, 0.7).mean(),
    "nce": lambda z, y: normalized_cross_entropy(z, y).mean(),
    "rce": lambda z, y: reverse_cross_entropy(z, y).mean(),
    "mae": lambda z, y: mean_absolute_error(z, y).mean(),
    "forward": lambda z, y: forward_losses(z, y, 0.7 * eye(z) + 0.3 * eye(z).roll(1, 1)).mean(),
    "backward": lambda z, y: backward_losses(z, y, invert(0.7 * eye(z) + 0.3 * eye(z).roll(1, 1))).mean(),
    "cores": lambda z, y: cores_losses(z, y, 2.0, None)[0].mean(),
    "sop": lambda z, y: sop_loss(z, y, torch.full((SIZE, 1), 0.1), torch.full_like(z, 0.1), z.flip(0), 0.9, 0.1),
    "jocor": lambda z, y: jocor_loss(z, z.flip(1), y, 6, 0.9)[0],
    "co-teaching+": lambda z, y: co_teaching_plus_loss(z, z.flip(1), y, 0.2)[0],
    "divide-mix": lambda z, y: semi_loss(z, onehot(y, z.dtype), z.flip(0), onehot(y, z.dtype), 25.0),
    "prior penalty": lambda z, y: prior_penalty(z),
    "confidence penalty": lambda z, y: confidence_penalty(z),
    "negative": lambda z, y: negative_loss(
        z, y, (y[:, None] + 1) % CLASSES, torch.ones(CLASSES), torch.ones(SIZE, dtype=z.dtype)
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", ANYWHERE)
def test_finite_at_extreme_logits(name: str, dtype: torch.dtype) -> None:
    """Logits of 50 and -50: loss and gradient are finite, and of the dtype that went in."""
    _, labels = draw()
    signs = torch.where(torch.rand(SIZE, CLASSES, generator=torch.Generator().manual_seed(5)) < 0.3, 1.0, -1.0)
    logits = (50 * signs).to(dtype).requires_grad_()
    loss = ANYWHERE[name](logits, labels)
    assert loss.dtype == dtype and loss.ndim == 0
    gradient = torch.autograd.grad(loss, logits)[0]
    assert bool(loss.isfinite()) and bool(gradient.isfinite().all())
