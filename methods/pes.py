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
from methods.semi_supervised import (
    larger_share,
    linear_ramp,
    mean_probability,
    mixture,
    rows_where,
    sharpened,
    soft_cross_entropy,
    squared_difference,
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
    of their classes. The warm-up has a constant learning rate and the last stage the suite's whole schedule, where the
    authors have one schedule over all but the refinement (whose epochs they do not count). Their optimiser goes on
    holding the replaced layers, so that the new ones never learn after the refinement: `authors_behaviour` does that.

    Their `refine_lr` is made for thousands of steps. In a run whose refinement has tens of them, the new layers do not
    get beyond chance with it, and a class that they never predict is lost, as none of its samples is confident: raise
    it.
    """

    name = "pes"
    title = "PES"
    year = 2021
    reference = "Bai et al., Understanding and Improving Early Stopping for Learning with Noisy Labels, NeurIPS 2021"
    passes_per_step = 2.5  # 1 until the refinement is over; then 2, and 1 for each confident sample
    hyper = {
        "warm_up": epochs(0.125, source="tmllab/2021_NeurIPS_PES, CIFAR-10: 25 of 200 epochs (T_1; CIFAR-100: 30)"),
        "refine_blocks": epochs(0.035, source="tmllab/2021_NeurIPS_PES: 7 of 200 epochs (T_2)"),
        "refine_classifier": epochs(0.025, source="tmllab/2021_NeurIPS_PES: 5 of 200 epochs (T_3)"),
        "refine_lr": real(1e-4, 0, 10, scale="log", source="tmllab/2021_NeurIPS_PES (Adam)"),
        "authors_behaviour": flag(False, source="the paper: all layers learn in the end"),
    }
    warm_up: int
    refine_blocks: int
    refine_classifier: int
    refine_lr: float
    authors_behaviour: bool
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
        found, left = [], self.task.epochs
        for wanted in (self.warm_up, *(length for _, length in self.refinements())):
            found.append(min(wanted, left))
            left -= found[-1]
        return [*found, left]

    def stages(self) -> Sequence[Stage]:
        lengths = self.lengths()
        if lengths[0] == self.task.epochs:
            return [Stage()]
        adam = {"name": "adam", "lr": self.refine_lr, "weight_decay": 0.0, "schedule": CONSTANT}
        warm_up = Stage(lengths[0], {"schedule": {"name": "constant"}})
        return [warm_up, *(Stage(length, adam) for length in lengths[1:-1]), Stage(lengths[-1])]

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


class ProgressiveEarlyStoppingSemi(ProgressiveEarlyStopping):
    """PES whose refinement is of the classifier alone, and which then learns semi-supervised (MixMatch): confident
    samples with their given labels, the others with labels guessed from two views.

    A batch holds confident and other samples in proportion, but no more others than confident ones. An epoch is a walk
    over the confident samples (the authors': as many steps as over all samples, also where fewer than half are
    confident). Where no sample is confident, nothing is learnt in that epoch. Weights of the guesses by noise: see
    `guessed_weight`.
    """

    name = "pes_semi"
    title = "PES (semi)"
    marks = frozenset({"mixup"})
    passes_per_step = 5.0  # 1 until the refinement is over; then 2, 2 for each confident sample, 4 for each other
    views = ("weak", "weak")
    hyper = {
        "warm_up": epochs(0.067, source="tmllab/2021_NeurIPS_PES, CIFAR-10: 20 of 300 epochs (T_1; CIFAR-100: 35)"),
        "refine_classifier": epochs(0.017, source="tmllab/2021_NeurIPS_PES: 5 of 300 epochs (T_2)"),
        "refine_lr": ProgressiveEarlyStopping.hyper["refine_lr"],
        "temperature": real(0.5, 0.1, 1, source="tmllab/2021_NeurIPS_PES (T)"),
        "alpha": real(4.0, 0.01, 100, source="tmllab/2021_NeurIPS_PES"),
        "late_alpha": real(0.75, 0.01, 100, source="tmllab/2021_NeurIPS_PES: from the middle of the run on"),
        "guessed_weight": real(
            15.0,
            0,
            1000,
            source="tmllab/2021_NeurIPS_PES, CIFAR-10 (lambda_u; CIFAR-100: 50; CIFAR-N: 5 and 75; code: 150)",
        ),
        "ramp": epochs(16, source="tmllab/2021_NeurIPS_PES"),
        "authors_behaviour": ProgressiveEarlyStopping.hyper["authors_behaviour"],
    }
    temperature: float
    alpha: float
    late_alpha: float
    guessed_weight: float
    ramp: int
    largest_weight = 3.0

    def refinements(self) -> list[tuple[int, int]]:
        return [(1, self.refine_classifier)] if self.refine_classifier > 0 else []

    def phase(self, confident: Tensor, rest: Tensor) -> Phase:
        size, total = self.task.batch_size, max(1, len(confident) + len(rest))
        others = min(size // 2, size * len(rest) // total)
        return Phase(confident, max(2, size - others), "confident", {"rest": (rest, max(2, others))})

    def confident_loss(self, batch: Batch) -> Tensor:
        rest, classes = batch.streams.get("rest"), self.task.num_classes
        given = F.one_hot(batch.labels, classes).float()
        images, targets = [*batch.views], [given] * len(batch.views)
        if rest is not None:
            with torch.no_grad():
                guess = mean_probability([self.network(view) for view in rest.views])
            images += rest.views
            targets += [sharpened(guess, self.temperature)] * len(rest.views)
        late = batch.epoch - 1 >= self.task.epochs / 2
        share = larger_share(self.task.rng, self.late_alpha if late else self.alpha)
        mix, wanted = mixture(images, targets, share, self.task.generator)
        logits, count = self.network(mix), len(batch.labels) * len(batch.views)
        strength = self.guessed_weight * linear_ramp(batch.progress, sum(self.lengths()[:-1]), self.ramp)
        guessed = squared_difference(logits[count:], wanted[count:])
        return soft_cross_entropy(logits[:count], wanted[:count], self.class_weight) + strength * guessed
