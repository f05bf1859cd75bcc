"""T-Revision: importance reweighting by a transition matrix that is revised in the end (Xia et al.; NeurIPS 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.base import Batch, Method, Stage
from methods.hyper import epochs, flag, real
from methods.loss_correction import EstimatedMatrix, estimate_matrix, outlier_percentile
from methods.papers.t_revision import PUBLISHED

LARGEST = 20.0  # logits further above the given label's count as so far above: its weight is then all but 0
SMALLEST = 1e-3  # no weight is above its inverse, also where T has next to nothing for a label


def importance(logits: Tensor, labels: Tensor, matrix: Tensor) -> Tensor:
    """[B]: beta = p_y / sum_c p_c T_cy, with gradients to logits and matrix.

    logits: [B, K] float; matrix: [K, K] float, or [B, K, K], one for each sample. Calculated as one over
    sum_c exp(z_c - z_y) T_cy, so that no probability of 0 is divided by another.
    """
    apart = (logits - logits.gather(1, labels[:, None])).clamp_max(LARGEST)
    column = (
        matrix.T[labels] if matrix.ndim == 2 else matrix[torch.arange(len(labels), device=labels.device), :, labels]
    )
    odds = (apart.exp() * column).sum(1)
    return 1 / torch.where(odds.abs() < SMALLEST, SMALLEST, odds)


def reweighted_loss(logits: Tensor, labels: Tensor, matrix: Tensor) -> Tensor:
    """mean_i beta_i CE(z_i, y_i) with beta without gradient, a scalar. As `importance`."""
    return (importance(logits, labels, matrix).detach() * F.cross_entropy(logits, labels, reduction="none")).mean()


def revision_loss(
    logits: Tensor, labels: Tensor, matrix: Tensor, correction: Tensor, authors_behaviour: bool = False
) -> Tensor:
    """mean_i beta_i CE(z_i, y_i) with beta by T + correction and gradients through it, a scalar. Both: [K, K] float.

    authors_behaviour: sample i of the batch, from 1 on, has T + i * correction.
    """
    revised = matrix + correction
    if authors_behaviour:
        count = torch.arange(1, len(labels) + 1, device=logits.device, dtype=logits.dtype)
        revised = matrix + count[:, None, None] * correction
    return (importance(logits, labels, revised) * F.cross_entropy(logits, labels, reduction="none")).mean()


def anchored_matrix(probabilities: Tensor, percentile: float = 97.0) -> Tensor:
    """[K, K]: row i is the prediction that is surest of class i, as the authors' code finds it. Rows need not sum to 1.

    probabilities: [N, K] float. Of each class the entries from the percentile upwards count as outliers (100: none)
    and are set to 0, also for the classes after it and in the rows that are found.
    """
    rows, anchors = probabilities.clone(), []
    for column in range(rows.shape[1]):
        if percentile < 100:
            bound = rows[:, column].quantile(percentile / 100, interpolation="higher")
            rows[:, column] = torch.where(rows[:, column] >= bound, 0.0, rows[:, column])
        anchors.append(rows[rows[:, column].argmax()].clone())
    return torch.stack(anchors)


def normalised_as_authors(matrix: Tensor) -> Tensor:
    """[K, K]: T_ij over the sum of row j, as the authors' code has it."""
    return matrix / matrix.sum(1)


class TRevision(Method):
    """Cross-entropy for `estimate` epochs and T from its predictions; cross-entropy reweighted by T for `reweight`
    epochs; then network and a correction added to T learn together by Adam, at a tiny rate, to the end.

    The network is one throughout. The estimation has a constant rate, the reweighting the suite's whole schedule. In
    a short run raise `estimate`: a T of a network that has learnt nothing teaches nothing.

    Only the revision has gradients through the weights, so that the correction can learn. `authors_behaviour` is what
    their code does: T + i * correction for sample i of a batch (paper: T + correction); T with the outliers of each
    class set to 0 in the table that the next classes, and T's rows, are read from; T's entries over the sum of the row
    of their column. They go on from the epochs of the highest accuracy on noisy validation labels, before the
    reweighting and before the revision; here it is the last ones.
    """

    name = "t_revision"
    title = "T-Revision"
    family = "loss correction"
    year = 2019
    reference = "Xia et al., Are Anchor Points Really Indispensable in Label-Noise Learning?, NeurIPS 2019"
    published = PUBLISHED
    hyper = {
        "estimate": epochs(0.048, 1, source="xiaoboxia/T-Revision, CIFAR-10: 20 of 420 epochs (CIFAR-100: 15 of 415)"),
        "reweight": epochs(0.476, source="xiaoboxia/T-Revision: 200 of 420 epochs"),
        "revision_lr": real(5e-7, 1e-9, 1, scale="log", source="xiaoboxia/T-Revision (Adam)"),
        "percentile": EstimatedMatrix.hyper["percentile"],
        "authors_behaviour": flag(False, source="the paper: T + correction"),
    }
    estimate: int
    reweight: int
    revision_lr: float
    percentile: float | None
    authors_behaviour: bool
    matrix: Tensor

    def build(self) -> None:
        super().build()
        classes = self.task.num_classes
        self.register_buffer("matrix", torch.eye(classes))
        self.correction = nn.Parameter(torch.zeros(classes, classes))
        self.first = min(self.estimate, self.task.epochs)
        self.last = min(self.first + self.reweight, self.task.epochs)

    def stages(self) -> Sequence[Stage]:
        constant = {"schedule": {"name": "constant"}}
        adam = {"name": "adam", "lr": self.revision_lr, **constant}
        return [Stage(self.first, constant), Stage(self.last - self.first), Stage(None, adam)]

    def stage_start(self, stage: int) -> None:
        if stage == 1:
            percentile = outlier_percentile(self.task.num_classes) if self.percentile is None else self.percentile
            probabilities = self.task.logits(self.network).softmax(1)
            estimated = anchored_matrix if self.authors_behaviour else estimate_matrix
            matrix = estimated(probabilities, percentile)
            self.matrix.copy_(normalised_as_authors(matrix) if self.authors_behaviour else matrix)

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        if batch.epoch <= self.first:
            return F.cross_entropy(logits, batch.labels)
        if batch.epoch <= self.last:
            return reweighted_loss(logits, batch.labels, self.matrix)
        return revision_loss(logits, batch.labels, self.matrix, self.correction, self.authors_behaviour)
