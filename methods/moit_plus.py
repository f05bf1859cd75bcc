"""MOIT+: MOIT, then a new classifier on the samples that it has selected (Ortego et al.; CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Phase, Stage
from methods.hyper import epochs, real
from methods.moit import Moit
from methods.papers.moit import PLUS
from methods.semi_supervised import soft_cross_entropy


def bootstrapped(labels: Tensor, logits: Tensor, weight: float) -> Tensor:
    """[B, K]: the given label, and by `weight` the predicted class. labels: [B] int64; logits: [B, K]."""
    given, predicted = (F.one_hot(named, logits.shape[1]).to(logits.dtype) for named in (labels, logits.argmax(1)))
    return (1 - weight) * given + weight * predicted


def tuning_loss(logits: Tensor, targets: Tensor, partner: Tensor, portion: Tensor) -> Tensor:
    """Cross-entropy of mixed images, a scalar. logits, targets: [B, K]; partner: [B] int64; portion: scalar."""
    return soft_cross_entropy(logits, portion * targets + (1 - portion) * targets[partner])


class MoitPlus(Moit):
    """MOIT; in the last epochs, the `fine_tuning`, a new classifier and all below it learn from the samples that were
    selected when MOIT ended: one weak view, mixed up, with labels that are bootstrapped with the predictions for the
    plain image from `bootstrap_after` of that part on. What is said of MOIT holds.

    What a reader of the paper would not expect of their code: this part has a rate of its own, a hundredth of that with
    which MOIT begins, and no schedule (at 80% noise it falls once); all layers learn at it, though the classifier alone
    is drawn anew; the plain images go through the network in training mode too. Their 70 epochs have up to 390 steps
    each: in a short run raise `fine_tuning_lr`, or the new classifier has learnt little when the run ends.
    """

    name = "moit_plus"
    title = "MOIT+"
    family = "sample selection"
    views = ("strong", "strong", "plain", "weak")  # type: ignore[assignment]
    passes_per_step = 4.0  # as MOIT's; in fine-tuning 2 for a selected sample
    published = PLUS
    hyper = {
        **Moit.hyper,
        "fine_tuning": epochs(0.22, source="DiegoOrtego/LabelNoiseMOIT: 70 after 250 epochs (80% noise: 140)"),
        "fine_tuning_lr": real(0.001, 0, 10, source="DiegoOrtego/LabelNoiseMOIT (MOIT+)"),
        "bootstrap_after": real(0.43, 0, 1, source="DiegoOrtego/LabelNoiseMOIT: 30 of 70 epochs"),
        "bootstrap": real(0.2, 0, 1, source="DiegoOrtego/LabelNoiseMOIT (MOIT+)"),
    }
    fine_tuning: int
    fine_tuning_lr: float
    bootstrap_after: float
    bootstrap: float

    @property
    def before(self) -> int:
        """Epochs of MOIT itself."""
        return self.task.epochs - min(self.fine_tuning, self.task.epochs)

    def stages(self) -> Sequence[Stage]:
        tuning = {"lr": self.fine_tuning_lr, "schedule": {"name": "constant"}}
        return [Stage(self.before), Stage(None, tuning)] if self.before < self.task.epochs else [Stage()]

    def stage_start(self, stage: int) -> None:
        if stage == 1:
            self.detect()
            self.network.reinitialise(self.network.blocks[-1], self.task.generator)

    def parameter_groups(self) -> list[dict[str, Any]]:
        # The projection is apart, since it learns nothing in fine-tuning.
        return [{"params": list(self.network.parameters())}, {"params": list(self.projector.parameters())}]

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch <= self.before:
            return super().epoch_start(epoch)
        return [Phase(self.trusted.nonzero()[:, 0], name="tuning")]

    def loss(self, batch: Batch) -> Tensor:
        if batch.phase != "tuning":
            return super().loss(batch)
        begun = batch.epoch > self.before + int(self.bootstrap_after * (self.task.epochs - self.before))
        targets = bootstrapped(batch.labels, self.plain(batch), self.bootstrap if begun else 0.0)
        (portion, _), (partner, _) = (draw.unbind() for draw in self.drawn(batch))
        image = batch.views[3]
        return tuning_loss(self.network(portion * image + (1 - portion) * image[partner]), targets, partner, portion)
