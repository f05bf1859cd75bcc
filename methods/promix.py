"""ProMix: the clean set is made as large as can be, and its biases are weighed out (Xiao et al.; IJCAI 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.float64 import with_float64
from methods.base import Batch, Phase, initialised_linear
from methods.divide_mix import confidence_penalty, normalised_losses
from methods.fmix import fmix_mask
from methods.hyper import epochs, flag, real
from methods.mixup import mixup_loss
from methods.papers.promix import PUBLISHED
from methods.selection import smallest_by_class
from methods.semi_supervised import larger_share, linear_ramp, mixture, sharpened, soft_cross_entropy
from methods.two_networks import TwoNetworks


def small_by_class(losses: Tensor, labels: Tensor, num_classes: int, rho: float) -> Tensor:
    """[N] bool: of every class the ceil(rho N / K) smallest losses, at least one and no more than it has."""
    return smallest_by_class(losses, labels, num_classes, max(1, math.ceil(len(labels) * (1 / num_classes) * rho)))


def with_agreement(selected: Tensor, probabilities: Tensor, tau: float, share: float) -> Tensor:
    """[B] bool: the selected, and up to int(share B) in all the samples of which both networks are surest.

    selected: [B] bool; probabilities: [2, B, K]. Both networks must predict the same class with more than `tau`.
    """
    count, (sure, predicted) = selected.sum(), probabilities.max(2)
    agreed = (sure > tau).all(0) & (predicted[0] == predicted[1]) & ~selected
    few = (with_float64(count).double() / len(selected) < share).to(count.device)
    room = (int(len(selected) * share) - count) * few
    rank = sure.mean(0).masked_fill(~agreed, -1).argsort(descending=True, stable=True).argsort()
    return selected | (agreed & (rank < room))


def debiased(logits: Tensor, bias: Tensor, strength: float) -> Tensor:
    """[..., K]: softmax(z - strength log bias). logits: [..., K]; bias: [..., K], probabilities."""
    return (logits - strength * bias.log()).softmax(-1)


def debiased_loss(logits: Tensor, targets: Tensor, bias: Tensor, strength: float) -> Tensor:
    """Soft cross-entropy of z + strength log bias, a scalar. logits, targets: [B, K] float; bias: [K]."""
    return soft_cross_entropy(logits + strength * bias.log(), targets)


class ProMix(TwoNetworks):
    """Each network selects for itself: of every class the smallest losses at the start of an epoch, and in a batch also
    the labels that it is sure of; in the last epochs labels that both guess alike are added. The selected learn by
    cross-entropy of a weak and a strong view, by mixup and by FMix. A second, auxiliary classifier learns the same, and
    the rest with guessed targets, so that their mistakes do not reach the first. All losses are margins over the mean
    prediction for the selected, or for the rest.

    The authors' strong view is three random operations and cutout; here it is the suite's "strong". What a reader of
    the paper would not expect of their code: a class is asked for rho N / K samples, whatever its size; who is guessed
    keeps the label of his own network, not of both; the term for the rest grows with `ramp` and ends with twice of it,
    in the first sixth of the run; mixed images pass once more for the auxiliary classifier, with draws of their own;
    the penalty of confidence in warm-up is of logits clamped at zero. Their masks of FMix are drawn in two rows of
    frequencies, by an index; here in all. A mean prediction of no samples, there not a number, leaves the bias as it
    is; one sample is not mixed. Prediction is the sum of the first classifiers' logits.
    """

    name = "promix"
    title = "ProMix"
    family = "semi-supervised"
    year = 2023
    reference = "Xiao et al., ProMix: Combating Label Noise via Maximizing Clean Sample Utility, IJCAI 2023"
    marks = frozenset({"ensemble", "mixup", "strong augmentation"})
    passes_per_step = 14.0  # 2 in warm-up; later 2 to select, 4 views, and 8 mixed ones for each selected sample
    members = "ensemble"
    views = ("weak", "strong")
    published = PUBLISHED
    hyper = {
        "warm_up": epochs(10, source="Justherozen/ProMix, CIFAR-10 (pretrain_ep; CIFAR-100: 30)"),
        "ramp": epochs(50, source="Justherozen/ProMix (warmup_ep)"),
        "rho": real(0.5, 0, 1, source="Justherozen/ProMix (rho_range; 20% symmetric noise: .7)"),
        "tau": real(0.99, 0, 1, search=(0.5, 0.999), source="Justherozen/ProMix, CIFAR-10 (CIFAR-100: .95)"),
        "guessing": epochs(0.417, source="Justherozen/ProMix: the last 250 of 600 epochs (start_expand)"),
        "largest_share": real(0.9, 0, 1, source="Justherozen/ProMix (threshold, of label guessing)"),
        "debias_loss": real(0.8, 0, 10, source="Justherozen/ProMix, CIFAR-10 (debias_output; CIFAR-100: .5)"),
        "debias_labels": real(0.8, 0, 10, source="Justherozen/ProMix, CIFAR-10 (debias_pl; CIFAR-100: .5)"),
        "momentum": real(0.9999, 0, 1, search=(0.9, 0.9999), source="Justherozen/ProMix (bias_m)"),
        "temperature": real(0.5, 0.1, 1, source="Justherozen/ProMix (T)"),
        "rest_weight": real(0.1, 0, 100, source="Justherozen/ProMix (beta)"),
        "alpha": real(4.0, 0.01, 100, source="Justherozen/ProMix (of mixup)"),
        "confident_warm_up": flag(
            True, source="Justherozen/ProMix: false for asymmetric noise, whose warm-up penalises confidence"
        ),
    }
    warm_up: int
    ramp: int
    rho: float
    tau: float
    guessing: int
    largest_share: float
    debias_loss: float
    debias_labels: float
    momentum: float
    temperature: float
    rest_weight: float
    alpha: float
    confident_warm_up: bool
    bias: Tensor
    losses: Tensor
    small: Tensor

    def build(self) -> None:
        super().build()
        classes, count = self.task.num_classes, self.task.num_samples
        inputs = self.network_of(0).feature_size
        self.auxiliary = nn.ModuleList(initialised_linear(inputs, classes, self.task.generator) for _ in self.pair)
        self.register_buffer("bias", torch.full((2, 2, classes), 1 / classes))  # by network; selected, rest
        self.register_buffer("losses", torch.zeros(2, count))
        self.register_buffer("small", torch.ones(2, count, dtype=torch.bool))

    def parameter_groups(self) -> list[dict[str, Any]]:
        # The heads are apart, since they learn nothing in warm-up.
        return [*super().parameter_groups(), *({"params": list(head.parameters())} for head in self.auxiliary)]

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch > self.warm_up:
            for number, network in enumerate(self.pair):
                self.losses[number] = normalised_losses(self.task.logits(network), self.task.labels)
                small = small_by_class(self.losses[number], self.task.labels, self.task.num_classes, self.rho)
                self.small[number] = small
        return [Phase()]

    def loss(self, batch: Batch) -> Tensor:
        if batch.epoch <= self.warm_up:
            logits = torch.stack(self.answers(batch))
            batch.observe(logits.mean(0))
            return torch.stack([self.warm_up_loss(own, batch.labels) for own in logits]).sum()
        answers = [[self.heads(number, view) for view in batch.views] for number in (0, 1)]
        logits = torch.stack([weak[0].detach() for weak, _ in answers])
        chosen, targets = self.chosen(logits, batch)
        batch.observe(logits.mean(0), selected=chosen.float().mean(0))
        losses = [
            self.network_loss(number, batch, answers[number], chosen[number], targets[number]) for number in (0, 1)
        ]
        self.follow(logits.softmax(2), chosen)
        return torch.stack(losses).sum()

    def warm_up_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = F.cross_entropy(logits, labels)
        return loss if self.confident_warm_up else loss + confidence_penalty(logits.clamp_min(1e-12))

    def heads(self, number: int, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logits [B, K] of both classifiers of network `number`."""
        network = self.network_of(number)
        features = network.features(images)
        return network.classify(features), self.auxiliary[number](features)

    def chosen(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """For each network the samples it learns from, [2, B] bool, and their labels, [2, B] int64."""
        probabilities = logits.softmax(2)
        sure = probabilities.gather(2, batch.labels.expand(2, -1)[:, :, None])[:, :, 0] > self.tau
        chosen = self.small[:, batch.index] | sure
        guess = debiased(logits, self.bias[:, :1], self.debias_labels).argmax(2)
        targets = torch.where(chosen, batch.labels, guess)
        if batch.epoch - 1 > self.task.epochs - self.guessing:
            chosen = torch.stack([with_agreement(own, probabilities, self.tau, self.largest_share) for own in chosen])
        return chosen, targets

    def network_loss(
        self, number: int, batch: Batch, answers: Sequence[tuple[Tensor, Tensor]], chosen: Tensor, labels: Tensor
    ) -> Tensor:
        """What network `number` learns. answers: of its two classifiers for both views; chosen: [B] bool."""
        grown = linear_ramp(batch.epoch - 1, 0, self.ramp)
        rows, bias = chosen.nonzero()[:, 0], self.bias[number, 0]
        wanted = F.one_hot(labels[rows], self.task.num_classes).float()
        total = self.rest_loss(number, batch, answers, (~chosen).nonzero()[:, 0], grown)
        for head, (weak, strong) in enumerate(zip(*answers, strict=True)):
            total = total + debiased_loss(weak[rows], wanted, bias, self.debias_loss)
            further = debiased_loss(strong[rows], wanted, bias, self.debias_loss)
            if len(rows) > 1:
                further = further + self.mixed_loss(number, head, batch.views[0][rows], wanted)
            total = total + grown * further
        return total

    def mixed_loss(self, number: int, head: int, images: Tensor, wanted: Tensor) -> Tensor:
        """What classifier `head` of network `number` learns from the images [n, C, H, W] mixed by mixup and by FMix."""
        bias, rng, generator = self.bias[number, 0], self.task.rng, self.task.generator
        mix, targets = mixture([images], [wanted], larger_share(rng, self.alpha), generator)
        loss = debiased_loss(self.heads(number, mix)[head], targets, bias, self.debias_loss)
        share, partner = float(rng.beta(1, 1)), torch.randperm(len(images), generator=generator).to(images.device)
        mask, labels = fmix_mask(images.shape[2], images.shape[3], share, rng).to(images.device), wanted.argmax(1)
        logits = self.heads(number, mask * images + (1 - mask) * images[partner])[head]
        return loss + mixup_loss(logits + self.debias_loss * bias.log(), labels, labels[partner], share)

    def rest_loss(
        self, number: int, batch: Batch, answers: Sequence[tuple[Tensor, Tensor]], rows: Tensor, grown: float
    ) -> Tensor:
        """What the auxiliary classifier learns from the samples at `rows`, which are not selected."""
        (first, weak), (_, strong) = answers
        bias, clock = self.bias[number, 1], batch.epoch - 1
        targets = sharpened(debiased(first.detach(), bias, self.debias_labels), self.temperature)[rows]
        loss = debiased_loss(weak[rows], targets, bias, self.debias_loss)
        loss = loss + grown * debiased_loss(strong[rows], targets, bias, self.debias_loss)
        return self.rest_weight * (clock < 2 * self.ramp) * linear_ramp(clock, 0, 2 * self.ramp) * loss

    def follow(self, probabilities: Tensor, chosen: Tensor) -> None:
        """Let the biases follow the mean predictions [2, B, K] of the selected and of the rest, where there are any."""
        for part, rows in enumerate((chosen, ~chosen)):
            count = rows.sum(1, keepdim=True)
            mean = (rows[:, :, None] * probabilities).sum(1) / count.clamp_min(1)
            self.bias[:, part] += (1 - self.momentum) * (count > 0) * (mean - self.bias[:, part])

    def clean_scores(self) -> Tensor | None:
        """The negative loss, scaled to [0, 1] and averaged over the networks, at the start of the last epoch."""
        return -self.losses.mean(0) if self.warm_up < self.task.epochs else None
