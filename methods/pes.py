"""PES: progressive early stopping of the parts of a network, alone and semi-supervised (Bai et al.; NeurIPS 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase, Stage
from methods.hyper import epochs, flag, real
from methods.papers.pes import PUBLISHED
from methods.semi_supervised import (
    mean_probability,
    rows_where,
)

CONSTANT = {"name": "constant", "warmup": 0}


def balancing_weights(labels: Tensor, num_classes: int, largest: float = math.inf) -> Tensor:
    """[K] float32: the mean count of the classes that occur in `labels` [n] over each class's count, at most `largest`.

    0 for a class that does not occur.
    """
    counts = torch.bincount(labels, minlength=num_classes).float()
    mean = counts.sum() / (counts > 0).sum().clamp_min(1)
    return torch.where(counts > 0, (mean / counts.clamp_min(1)).clamp_max(largest), 0.0)


class ProgressiveEarlyStopping(Method):
    """Cross-entropy for `warm_up` epochs; then the last two blocks, and after them the classifier, are drawn anew and
    trained for a few epochs while all before them is fixed; from then on only confident samples are learnt.

    Confident is a sample whose given label is what the network predicts of two augmented views, in evaluation mode at
    the start of every epoch; that prediction is what is observed. Their cross-entropy is weighted against the imbalance
    of their classes. The warm-up has a constant learning rate and the last stage the suite's whole schedule. The
    authors have one schedule over all but the refinement, whose epochs they do not count: `one_schedule` does so, and
    200 epochs of theirs are then 200 and those of the refinement. Their optimiser goes on holding the replaced layers,
    so that the new ones never learn after the refinement: `authors_behaviour` does that.

    Their `refine_lr` is made for thousands of steps. In a run whose refinement has tens of them, the new layers do not
    get beyond chance with it, and a class that they never predict is lost, as none of its samples is confident: raise
    it.
    """

    name = "pes"
    title = "PES"
    family = "regularisation"
    year = 2021
    reference = "Bai et al., Understanding and Improving Early Stopping for Learning with Noisy Labels, NeurIPS 2021"
    passes_per_step = 2.5  # 1 until the refinement is over; then 2, and 1 for each confident sample
    published = PUBLISHED
    hyper = {
        "warm_up": epochs(0.125, source="tmllab/2021_NeurIPS_PES, CIFAR-10: 25 of 200 epochs (T_1; CIFAR-100: 30)"),
        "refine_blocks": epochs(0.035, source="tmllab/2021_NeurIPS_PES: 7 of 200 epochs (T_2)"),
        "refine_classifier": epochs(0.025, source="tmllab/2021_NeurIPS_PES: 5 of 200 epochs (T_3)"),
        "refine_lr": real(1e-4, 0, 10, scale="log", source="tmllab/2021_NeurIPS_PES (Adam)"),
        "authors_behaviour": flag(False, source="the paper: all layers learn in the end"),
        "one_schedule": flag(False, later=True, source="this suite; tmllab/2021_NeurIPS_PES: true"),
    }
    warm_up: int
    refine_blocks: int
    refine_classifier: int
    refine_lr: float
    authors_behaviour: bool
    one_schedule: bool
    stage: Tensor
    predicted: Tensor
    class_weight: Tensor
    largest_weight = math.inf

    def build(self) -> None:
        super().build()
        samples, classes = self.task.num_samples, self.task.num_classes
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self.register_buffer("predicted", torch.full((samples, classes), 1 / classes))
        self.register_buffer("class_weight", torch.ones(classes))

    def refinements(self) -> list[tuple[int, int]]:
        """How many of the last blocks each refinement trains, and for how many epochs; those of no length left out."""
        wanted = [(2, self.refine_blocks), (1, self.refine_classifier)]
        return [(blocks, length) for blocks, length in wanted if length > 0]

    def lengths(self) -> list[int]:
        """Epochs of the warm-up, of each refinement, and of what is left, cut to the length of the run."""
        lengths, left = [], self.task.epochs
        for wanted in (self.warm_up, *(length for _, length in self.refinements())):
            lengths.append(min(wanted, left))
            left -= lengths[-1]
        return [*lengths, left]

    def stages(self) -> Sequence[Stage]:
        lengths = self.lengths()
        if lengths[0] == self.task.epochs:
            return [Stage()]
        adam = {"name": "adam", "lr": self.refine_lr, "weight_decay": 0.0, "schedule": CONSTANT}
        refined = [Stage(length, adam) for length in lengths[1:-1]]
        if self.one_schedule:
            counted = lengths[0] + lengths[-1]
            return [Stage(lengths[0], clock=(0, counted)), *refined, Stage(lengths[-1], clock=(lengths[0], counted))]
        return [Stage(lengths[0], {"schedule": {"name": "constant"}}), *refined, Stage(lengths[-1])]

    def stage_start(self, stage: int) -> None:
        self.stage.fill_(stage)
        if 1 <= stage <= len(self.refinements()):
            for block in self.network.blocks[-self.refinements()[stage - 1][0] :]:
                self.network.reinitialise(block, self.task.generator)

    def parameter_groups(self) -> list[dict[str, object]]:
        """What the present stage trains; the rest of the network is fixed (here, as this is called on resume too)."""
        stage, refinements, blocks = int(self.stage), self.refinements(), self.network.blocks
        renewed = max((count for count, _ in refinements), default=0)
        if 1 <= stage <= len(refinements):
            learning = blocks[-refinements[stage - 1][0] :]
        elif stage and self.authors_behaviour:
            learning = blocks[: len(blocks) - renewed]
        else:
            learning = blocks
        self.network.requires_grad_(False)
        learning.requires_grad_(True)
        return [{"params": list(learning.parameters())}]

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch <= sum(self.lengths()[:-1]):
            return [Phase()]
        views = [self.task.logits(self.network, augment=True) for _ in range(2)]
        self.predicted.copy_(mean_probability(views))
        confident = self.confident()
        given = self.task.labels[confident]
        self.class_weight.copy_(balancing_weights(given, self.task.num_classes, self.largest_weight))
        return [self.phase(rows_where(confident), rows_where(~confident))]

    def confident(self) -> Tensor:
        """[N] bool: whether the given label is the one predicted at the start of this epoch."""
        return self.predicted.argmax(1) == self.task.labels

    def phase(self, confident: Tensor, rest: Tensor) -> Phase:
        """The walk of an epoch over the rows `confident` [n], given the others too."""
        return Phase(confident, name="confident")

    def observe_division(self, batch: Batch) -> None:
        """Report the predictions and the division of all samples, in the first step that they are made for."""
        if batch.progress == batch.epoch - 1:
            everything = replace(batch, index=torch.arange(self.task.num_samples, device=self.predicted.device))
            logits = self.predicted.clamp_min(torch.finfo(self.predicted.dtype).tiny).log()
            batch.observe(logits, everything, selected=self.confident())

    def loss(self, batch: Batch) -> Tensor:
        if batch.phase == "confident":
            self.observe_division(batch)
            return self.confident_loss(batch)
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)

    def confident_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of confident samples, a mean weighted by class."""
        return F.cross_entropy(self.network(batch.views[0]), batch.labels, self.class_weight)

    def clean_scores(self) -> Tensor | None:
        """The predicted probability of the given label, as of the last division."""
        if sum(self.lengths()[:-1]) >= self.task.epochs:
            return None
        return self.predicted.gather(1, self.task.labels[:, None]).squeeze(1)
