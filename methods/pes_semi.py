"""PES, semi-supervised (Bai et al., NeurIPS 2021): MixMatch on what a refined classifier is confident of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Phase
from methods.hyper import choice, epochs, real
from methods.papers.pes_semi import PUBLISHED
from methods.pes import ProgressiveEarlyStopping
from methods.semi_supervised import (
    larger_share,
    linear_ramp,
    mean_probability,
    mixture,
    sharpened,
    soft_cross_entropy,
    squared_difference,
)


class ProgressiveEarlyStoppingSemi(ProgressiveEarlyStopping):
    """PES whose refinement is of the classifier alone, and which then learns semi-supervised (MixMatch): confident
    samples with their given labels, the others with labels guessed from two views.

    A batch holds confident and other samples in proportion, but no more others than confident ones. An epoch is a walk
    over the confident samples; with `steps = "all"`, as the authors have it, it has as many steps as all samples make
    full batches, also where fewer than half are confident (its own batches only count the steps: nothing looks at their
    views). Where no sample is confident, nothing is learnt in that epoch. Weights of the guesses by noise: see
    `guessed_weight`. With `one_schedule` the middle of the run, from which `late_alpha` counts, is the schedule's.
    """

    name = "pes_semi"
    title = "PES (semi)"
    family = "semi-supervised"
    marks = frozenset({"mixup"})
    passes_per_step = 5.0  # 1 until the refinement is over; then 2, 2 for each confident sample, 4 for each other
    views = ("weak", "weak")
    published = PUBLISHED
    hyper = {
        "warm_up": epochs(0.067, source="tmllab/2021_NeurIPS_PES, CIFAR-10: 20 of 300 epochs (T_1; CIFAR-100: 35)"),
        "refine_classifier": epochs(0.017, source="tmllab/2021_NeurIPS_PES: 5 of 300 epochs (T_2)"),
        "refine_lr": ProgressiveEarlyStopping.hyper["refine_lr"],
        "temperature": real(0.5, 0.1, 1, source="tmllab/2021_NeurIPS_PES (T)"),
        "alpha": real(4.0, 0.01, 100, source="tmllab/2021_NeurIPS_PES"),
        "late_alpha": real(0.75, 0.01, 100, source="tmllab/2021_NeurIPS_PES: from the middle of the run on"),
        "guessed_weight": real(
            15.0, 0, 1000,
            source="tmllab/2021_NeurIPS_PES, CIFAR-10 (lambda_u; CIFAR-100: 50; CIFAR-N: 5 and 75; code: 150)",
        ),
        "ramp": epochs(16, source="tmllab/2021_NeurIPS_PES"),
        "authors_behaviour": ProgressiveEarlyStopping.hyper["authors_behaviour"],
        "one_schedule": ProgressiveEarlyStopping.hyper["one_schedule"],
        "steps": choice("confident", "all", later=True, source="this suite; tmllab/2021_NeurIPS_PES: all"),
    }  # fmt: skip
    temperature: float
    alpha: float
    late_alpha: float
    guessed_weight: float
    ramp: int
    steps: str
    largest_weight = 3.0

    def refinements(self) -> list[tuple[int, int]]:
        return [(1, self.refine_classifier)] if self.refine_classifier > 0 else []

    def phase(self, confident: Tensor, rest: Tensor) -> Phase:
        size, total = self.task.batch_size, max(1, len(confident) + len(rest))
        others = min(size // 2, size * len(rest) // total)
        batches = {"confident": (confident, max(2, size - others)), "rest": (rest, max(2, others))}
        if self.steps == "confident" or not len(confident):
            return Phase(*batches.pop("confident"), "confident", batches)
        full = size * max(1, self.task.num_samples // size)
        rows = torch.randperm(self.task.num_samples, generator=self.task.generator)[:full]
        return Phase(rows, size, "confident", batches)

    def confident_loss(self, batch: Batch) -> Tensor:
        rest, classes = batch.streams.get("rest"), self.task.num_classes
        kept = batch.streams.get("confident", batch)
        given = F.one_hot(kept.labels, classes).float()
        images, targets = [*kept.views], [given] * len(kept.views)
        if rest is not None:
            with torch.no_grad():
                guess = mean_probability([self.network(view) for view in rest.views])
            images += rest.views
            targets += [sharpened(guess, self.temperature)] * len(rest.views)
        apart = sum(self.lengths()[1:-1]) if self.one_schedule else 0
        late = batch.epoch - 1 - apart >= (self.task.epochs - apart) / 2
        share = larger_share(self.task.rng, self.late_alpha if late else self.alpha)
        mix, wanted = mixture(images, targets, share, self.task.generator)
        logits, count = self.network(mix), len(kept.labels) * len(kept.views)
        strength = self.guessed_weight * linear_ramp(batch.progress, sum(self.lengths()[:-1]), self.ramp)
        guessed = squared_difference(logits[count:], wanted[count:])
        return soft_cross_entropy(logits[:count], wanted[:count], self.class_weight) + strength * guessed
