"""Forward and backward loss correction by a transition matrix (Patrini, Rozza, Menon, Nock, Qu; CVPR 2017).

T[i, j] is the probability that a sample of true class i is labelled j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from common.float64 import with_float64
from methods.base import Batch, Method, Stage
from methods.bootstrap import clipped_log_softmax
from methods.hyper import epochs, flag, real
from methods.registry import MethodError

WORST_CONDITION = 1e6  # a float32 matrix that is worse conditioned cannot be told from a singular one


def forward_losses(logits: Tensor, labels: Tensor, matrix: Tensor, clip: float = 0.0) -> Tensor:
    """[B]: -log sum_i p_i T[i, y], in log space.

    logits: [B, K] float; labels: [B] int64; matrix: [K, K] float, rows the true class. clip: p is clamped to
    [clip, 1 - clip], without gradient outside. A label that no class leads to counts as nearly impossible.
    """
    known = matrix.to(logits.dtype)
    log_matrix = torch.where((known > 0).any(0), known, torch.finfo(known.dtype).tiny).log()
    return -torch.logsumexp(clipped_log_softmax(logits, clip) + log_matrix.T[labels], 1)


def backward_losses(logits: Tensor, labels: Tensor, inverse: Tensor, clip: float = 0.0) -> Tensor:
    """[B]: -sum_j inverse[y, j] log p_j, with inverse = T^-1 ([K, K] float). Else as `forward_losses`."""
    return -(inverse.to(logits.dtype)[labels] * clipped_log_softmax(logits, clip)).sum(1)


def invert(matrix: Tensor) -> Tensor:
    """The inverse of `matrix` ([K, K]), found in float64. Raises MethodError where there is none."""
    exact = with_float64(matrix).double()
    if not float(torch.linalg.cond(exact)) < WORST_CONDITION:
        raise MethodError("backward correction needs a transition matrix that can be inverted; this one is singular")
    inverse: Tensor = torch.linalg.inv(exact)
    return inverse.to(matrix)


def outlier_percentile(num_classes: int) -> float:
    """97, and 100 (no outliers) where as much as 3% of the samples is more than a class has, as with 100 classes."""
    return 97.0 if 100 / num_classes > 3 else 100.0


def estimate_matrix(probabilities: Tensor, percentile: float = 97.0) -> Tensor:
    """[K, K]: row i is the prediction for the sample that is most surely of class i; rows sum to 1.

    probabilities: [N, K] float. Samples from the given percentile of p_i upwards count as outliers (100: none does).
    """
    rows = probabilities
    if percentile < 100:
        rank = min(len(rows), math.ceil(percentile / 100 * (len(rows) - 1)) + 1)
        bound = rows.kthvalue(rank, 0).values
        rows = torch.where(rows < bound, rows, -1.0)
    chosen = probabilities[rows.argmax(0)]
    return chosen / chosen.sum(1, keepdim=True)


class KnownMatrix(Method):
    """What the corrections share: T (or its inverse) as a buffer, here from the facts of the run."""

    year = 2017
    reference = (
        "Patrini et al., Making Deep Neural Networks Robust to Label Noise: a Loss Correction Approach, CVPR 2017"
    )
    needs = frozenset({"matrix"})
    hyper = {"authors_behaviour": flag(False, source="the paper has no clamp")}
    authors_behaviour: bool
    inverted: ClassVar[bool]
    matrix: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("matrix", torch.empty(self.task.num_classes, self.task.num_classes))
        self.set_matrix(torch.as_tensor(self.task.known("matrix"), dtype=torch.float32))

    def set_matrix(self, matrix: Tensor) -> None:
        self.matrix.copy_(invert(matrix) if self.inverted else matrix)

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        losses = backward_losses if self.inverted else forward_losses
        return losses(logits, batch.labels, self.matrix, 1e-7 if self.authors_behaviour else 0.0).mean()


class EstimatedMatrix(KnownMatrix):
    """Cross-entropy for `estimate_epochs`, then T from its predictions, then a new start with the corrected loss.

    Both trainings share the run's epochs, where the authors train twice in full: in a run of twice their epochs, with
    their milestones as shares of it or doubled, each training is theirs. A run of one epoch is all estimation.
    """

    needs = frozenset()
    hyper = {
        "estimate_epochs": epochs(0.5, 1, source="inferred: two trainings of equal length"),
        "percentile": real(
            None, 50, 100,
            source="giorgiop/loss-correction: 97, none for CIFAR-100; inferred: none where a class has under 3%",
        ),
        **KnownMatrix.hyper,
    }  # fmt: skip
    estimate_epochs: int
    percentile: float | None

    def build(self) -> None:
        Method.build(self)
        self.register_buffer("matrix", torch.eye(self.task.num_classes))
        self.first = max(1, min(self.estimate_epochs, self.task.epochs - 1))

    def stages(self) -> Sequence[Stage]:
        return [Stage(self.first), Stage()] if self.task.epochs > self.first else [Stage()]

    def stage_start(self, stage: int) -> None:
        if stage == 1:
            percentile = outlier_percentile(self.task.num_classes) if self.percentile is None else self.percentile
            self.set_matrix(estimate_matrix(self.task.logits(self.network).softmax(1), percentile))
            self.network.load_state_dict(self.task.network().state_dict())

    def loss(self, batch: Batch) -> Tensor:
        if batch.epoch > self.first:
            return super().loss(batch)
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)


class ForwardCorrection(KnownMatrix):
    """Cross-entropy of the noisy-label prediction T^T p, with the true T of the run.

    The paper clamps nothing; `authors_behaviour` clamps p to [1e-7, 1 - 1e-7] before use, as their Keras code does.
    """

    name = "forward_correction"
    title = "Forward correction (T known)"
    family = "loss correction"
    version = 2
    inverted = False


class BackwardCorrection(KnownMatrix):
    """Cross-entropy weighted by T^-1, unbiased but able to go below zero, with the true T.

    `authors_behaviour` clamps p to [1e-7, 1 - 1e-7], as their Keras code does. Here that is more than a matter of
    rounding: the loss falls without bound as the probability of a class goes to 0 for which another label may stand;
    the clamp ends that at 16 times the entry of T^-1. It is not the default since the paper has none, and a
    clamped one is no longer unbiased; rows that reproduce their numbers switch it on.
    """

    name = "backward_correction"
    title = "Backward correction (T known)"
    family = "loss correction"
    inverted = True


class ForwardCorrectionEstimated(EstimatedMatrix):
    """Forward correction with T estimated from a first training."""

    name = "forward_correction_estimated"
    title = "Forward correction"
    family = "loss correction"
    version = 2
    inverted = False


class BackwardCorrectionEstimated(EstimatedMatrix):
    """Backward correction with T estimated from a first training; of the clamp, `BackwardCorrection` tells."""

    name = "backward_correction_estimated"
    title = "Backward correction"
    family = "loss correction"
    inverted = True
