"""DivideMix: two networks divide the samples for each other and learn semi-supervised (Li, Socher, Hoi; ICLR 2020)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from methods.base import Batch, Phase
from methods.hyper import epochs, flag, integer, real
from methods.papers.divide_mix import PUBLISHED
from methods.semi_supervised import (
    larger_share,
    linear_ramp,
    mixture,
    network_clock,
    rows_where,
    sharpened,
    soft_cross_entropy,
    squared_difference,
)
from methods.two_networks import TwoNetworks, guesses


def normalised_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """[N]: cross-entropies moved and scaled to [0, 1]; all 0 where they are equal. logits: [N, K]; labels: [N]."""
    losses = F.cross_entropy(logits, labels, reduction="none")
    lowest, highest = losses.aminmax()
    return (losses - lowest) / (highest - lowest).clamp_min(torch.finfo(losses.dtype).tiny)


def two_gaussians(values: NDArray[np.float64], seed: int, tol: float, reg_covar: float) -> GaussianMixture | None:
    """A mixture of two Gaussians, fitted in ten rounds to `values` [N, 1]; None where these are equal.

    seed: of k-means, the start of the fit.
    """
    if np.ptp(values) == 0:
        return None
    model = GaussianMixture(n_components=2, max_iter=10, tol=tol, reg_covar=reg_covar, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten rounds are all it is meant to have
        return model.fit(values)


def clean_probability(losses: Tensor, seed: int) -> Tensor:
    """[N]: posterior of the component of smaller mean, of a mixture of two Gaussians fitted to `losses` [N].

    All ones where the losses are equal, as there is then nothing to tell the samples apart. seed: of k-means, the start
    of the fit. The settings are those of the authors' code.
    """
    values = losses.detach().cpu().double().numpy()[:, None]
    model = two_gaussians(values, seed, tol=1e-2, reg_covar=5e-4)
    if model is None:
        return torch.ones_like(losses)
    return torch.from_numpy(model.predict_proba(values)[:, model.means_.argmin()]).to(losses)


def co_refined(labels: Tensor, probability: Tensor, guess: Tensor, temperature: float) -> Tensor:
    """[B, K]: w onehot(y) + (1 - w) guess, sharpened. labels: [B] int64; probability: [B], w; guess: [B, K]."""
    given, weight = F.one_hot(labels, guess.shape[1]).to(guess.dtype), probability.to(guess.dtype)[:, None]
    return sharpened(weight * given + (1 - weight) * guess, temperature)


def semi_loss(clean_logits: Tensor, clean_targets: Tensor, logits: Tensor, targets: Tensor, strength: float) -> Tensor:
    """L_X + strength L_U, a scalar: soft cross-entropy of the clean samples, mean squared difference of the others.

    clean_logits, clean_targets: [n, K] float; logits, targets: [m, K] float, m = 0 allowed.
    """
    return soft_cross_entropy(clean_logits, clean_targets) + strength * squared_difference(logits, targets)


def prior_penalty(logits: Tensor) -> Tensor:
    """sum_c pi_c log(pi_c / mean_i p_ic) with pi uniform, a scalar. logits: [B, K] float."""
    log_mean = logits.log_softmax(1).logsumexp(0) - math.log(len(logits))
    return -(log_mean + math.log(logits.shape[1])).mean()


def confidence_penalty(logits: Tensor) -> Tensor:
    """mean_i sum_c p_ic log p_ic, the negative entropy, a scalar. logits: [B, K] float."""
    log_p = logits.log_softmax(1)
    return (log_p.exp() * log_p).sum(1).mean()


class DivideMix(TwoNetworks):
    """After `warm_up` epochs of cross-entropy, a mixture fitted to the losses of one network divides the samples for
    the other: those held to be clean keep a refined label, the others get one guessed by both networks (MixMatch).

    A step takes a batch of each kind, an epoch walks over the clean samples of both divisions. Where there is none,
    that network rests for the epoch; where all are clean, their loss stands alone. While one network learns, the other
    guesses in evaluation mode. In warm-up, batches are the suite's unless `warm_up_batch` says otherwise (the authors':
    twice those of later epochs). Prediction is the sum of both networks' logits. Observed are the guesses of training;
    a sample's `selected` is the share of the networks for which it was held to be clean.

    Two settings are the authors' for large images. With `guessed_as_partners` guessed samples are mixed into the clean
    ones and are no rows of their own: loss and prior are over the clean rows alone, and `guessed_weight` is without
    effect. With `own_samples` each network scores a sample of its own in every epoch, drawn as the suite's `sampling`
    says, and divides that alone; an epoch then walks over what is clean of it, and no past losses are looked at.
    """

    name = "divide_mix"
    title = "DivideMix"
    family = "semi-supervised"
    year = 2020
    reference = "Li, Socher, Hoi, DivideMix: Learning with Noisy Labels as Semi-supervised Learning, ICLR 2020"
    marks = frozenset({"ensemble", "mixup"})
    passes_per_step = 12.0  # 2 in warm-up; later 2 and, a network, 10 for each clean sample: here half of all are
    members = "ensemble"
    views = ("weak", "weak")
    published = PUBLISHED
    hyper = {
        "warm_up": epochs(10, source="LiJunnan1992/DivideMix, CIFAR-10 (CIFAR-100: 30)"),
        "threshold": real(0.5, 0, 1, source="LiJunnan1992/DivideMix (tau)"),
        "temperature": real(0.5, 0.1, 1, source="LiJunnan1992/DivideMix (T)"),
        "alpha": real(4.0, 0.01, 100, source="LiJunnan1992/DivideMix, CIFAR"),
        "guessed_weight": real(25.0, 0, 1000, source="LiJunnan1992/DivideMix (lambda_u; of 0, 25, 50, 150 by noise)"),
        "ramp": epochs(16, source="LiJunnan1992/DivideMix"),
        "average_last": integer(
            1, 1, 100, search=None, source="LiJunnan1992/DivideMix: losses of one epoch (at 90% noise the mean of 5)"
        ),
        "confident_warm_up": flag(
            True, source="LiJunnan1992/DivideMix: false for asymmetric noise, whose warm-up penalises confidence"
        ),
        "warm_up_batch": integer(
            None, 2, 100_000, search=None, later=True,
            source="the suite's, where not given; LiJunnan1992/DivideMix: twice the batch (CIFAR 128, others 64)",
        ),
        "guessed_as_partners": flag(
            False, later=True, source="LiJunnan1992/DivideMix, CIFAR (Clothing1M, WebVision: true)"
        ),
        "own_samples": flag(False, later=True, source="LiJunnan1992/DivideMix, CIFAR (Clothing1M: true)"),
    }  # fmt: skip
    warm_up: int
    threshold: float
    temperature: float
    alpha: float
    guessed_weight: float
    ramp: int
    average_last: int
    confident_warm_up: bool
    warm_up_batch: int | None
    guessed_as_partners: bool
    own_samples: bool
    clean: Tensor
    past: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("clean", torch.ones(2, self.task.num_samples))
        self.register_buffer("past", torch.zeros(self.average_last, 2, self.task.num_samples))

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch <= self.warm_up:
            return [Phase(batch_size=self.warm_up_batch, name="warm", number=number) for number in (0, 1)]
        if self.own_samples:
            samples = [self.scored_sample(number) for number in (0, 1)]
            return [self.divided(number, samples[1 - number]) for number in (0, 1)]
        done = epoch - 1 - self.warm_up
        for number, network in enumerate(self.pair):
            self.past[done % self.average_last, number] = normalised_losses(self.task.logits(network), self.task.labels)
            losses = self.past[: done + 1, number].mean(0)
            self.clean[number] = clean_probability(losses, int(self.task.rng.integers(2**31)))
        return [self.divided(number) for number in (0, 1)]

    def scored_sample(self, number: int) -> Tensor:
        """[n] int64: rows for an epoch, which network `number` has scored."""
        rows = self.task.sample()
        losses = normalised_losses(self.task.logits(self.pair[number], rows=rows), self.task.labels[rows])
        self.clean[number, rows] = clean_probability(losses, int(self.task.rng.integers(2**31)))
        return rows

    def divided(self, number: int, sample: Tensor | None = None) -> Phase:
        """The phase of network `number`: the samples that the other network holds to be clean, and the rest.

        sample: the rows that the other network has scored; None: all.
        """
        clean = self.clean[1 - number] > self.threshold
        scored = torch.ones_like(clean)
        if sample is not None:
            scored = torch.zeros_like(clean).index_fill_(0, sample, True)
        streams = {"rest": (rows_where(~clean & scored), self.task.batch_size)}
        kept = rows_where(clean & scored)
        return Phase(kept, name="divided", number=number, streams=streams, sampled=sample is not None)

    def loss(self, batch: Batch) -> Tensor:
        if batch.phase == "warm":
            logits: Tensor = self.pair[batch.number](batch.views[0])
            batch.observe(logits)
            loss = F.cross_entropy(logits, batch.labels)
            return loss if self.confident_warm_up else loss + confidence_penalty(logits)
        return self.semi_supervised_loss(batch, batch.number)

    def semi_supervised_loss(self, batch: Batch, number: int) -> Tensor:
        """The loss of network `number` on a batch of clean samples and, where there are any, one of the rest."""
        network, probability = self.pair[number], self.clean[1 - number]
        answers, guess = guesses([network], batch.views)
        weight = probability[batch.index]
        batch.observe(answers[0], selected=torch.ones_like(weight), clean_probability=weight)
        targets = [co_refined(batch.labels, weight, guess, self.temperature)] * len(batch.views)
        images, clean = [*batch.views], len(batch.labels) * len(batch.views)
        if (rest := batch.streams.get("rest")) is not None:
            answers, guess = guesses([network, self.pair[1 - number]], rest.views)
            weight = probability[rest.index]
            batch.observe(answers[0], rest, selected=torch.zeros_like(weight), clean_probability=weight)
            targets += [sharpened(guess, self.temperature)] * len(rest.views)
            images += rest.views
        mix, wanted = mixture(images, targets, larger_share(self.task.rng, self.alpha), self.task.generator)
        if self.guessed_as_partners:
            mix, wanted = mix[:clean], wanted[:clean]
        logits: Tensor = network(mix)
        clock = network_clock(batch.progress, batch.epoch, number, 2)
        strength = self.guessed_weight * linear_ramp(clock, self.warm_up, self.ramp)
        loss = semi_loss(logits[:clean], wanted[:clean], logits[clean:], wanted[clean:], strength)
        return loss + prior_penalty(logits)

    def clean_scores(self) -> Tensor | None:
        return self.clean.mean(0) if self.warm_up < self.task.epochs else None
