"""UNICON: an even division by class, with a contrastive loss for the rest (Karim et al.; CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.base import Batch, Phase, initialised_linear
from methods.contrastive import contrastive_loss, same_image
from methods.divide_mix import co_refined, confidence_penalty, prior_penalty, semi_loss
from methods.gjs import jensen_shannon
from methods.hyper import epochs, flag, integer, real
from methods.papers.unicon import PUBLISHED
from methods.selection import smallest_by_class
from methods.semi_supervised import larger_share, linear_ramp, mixture, network_clock, rows_where, sharpened
from methods.two_networks import TwoNetworks, guesses

SURE = 0.5  # a divergence below counts as none, when a label is refined
PROJECTED = 128


def label_divergence(probabilities: Tensor, labels: Tensor) -> Tensor:
    """[N] in [0, log 2]: Jensen-Shannon divergence of prediction and given label. probabilities: [N, K]."""
    given = F.one_hot(labels, probabilities.shape[1]).to(probabilities.dtype)
    return jensen_shannon([probabilities, given], [0.5, 0.5])


def clean_share(divergences: Tensor, highest: float, tau: float) -> tuple[Tensor, float]:
    """The threshold, a scalar, and the share of the divergences [N] below it.

    It is the mean; where that is over `highest`, it is lowered by a `tau`-th of what lies between it and the smallest.
    """
    threshold = divergences.mean()
    if threshold > highest:
        threshold = threshold - (threshold - divergences.min()) / tau
    return threshold, int((divergences < threshold).sum()) / len(divergences)


def evenly_selected(divergences: Tensor, labels: Tensor, num_classes: int, share: float) -> Tensor:
    """[N] bool: of every class the int(share N / K) samples of smallest divergence, fewer where it has fewer."""
    return smallest_by_class(divergences, labels, num_classes, int(share * len(labels) / num_classes))


def refinement_weights(divergences: Tensor) -> Tensor:
    """[n]: how much of the given label is kept: 1 - divergence, all of it where that is below SURE."""
    return torch.where(divergences < SURE, 1.0, 1 - divergences)


class Unicon(TwoNetworks):
    """The Jensen-Shannon divergence of the networks' mean prediction from the label divides the samples, as many from
    each class. The selected and the rest learn as in DivideMix, by strong views whose targets come of weak ones; in the
    rest a contrastive loss draws together the two strong views of an image.

    The authors' strong view is AutoAugment (`autoaugment_cifar10_unicon`); here it is the suite's "strong". What a
    reader of the paper would not expect of their code: the mean of the divergences is the threshold, as its correction
    begins at d_u = .7 while no divergence exceeds log 2 = .69 (and would fail there, by a misspelt name); a selected
    label is kept whole unless its divergence is over a half, where 1 - divergence of it is; slots that a small class
    leaves open hold the first sample of the data set, again and again, which is not followed. Both networks are scored
    by their summed logits. The authors divide anew before the second network's turn; here one division, at the start of
    the epoch, is for both. A batch of the rest has batch / (2 share) samples, as theirs, and no more than there are.
    """

    name = "unicon"
    title = "UNICON"
    family = "semi-supervised"
    year = 2022
    reference = (
        "Karim, Rizve, Rahnavard, Mian, Shah, "
        "UNICON: Combating Label Noise Through Uniform Selection and Contrastive Learning, CVPR 2022"
    )
    marks = frozenset({"ensemble", "mixup", "strong augmentation"})
    passes_per_step = 14.0  # 2 in warm-up; later 2 and, a network, 4 for a selected sample and 8 for one of the rest
    members = "ensemble"
    views = ("weak", "weak", "strong", "strong")
    published = PUBLISHED
    hyper = {
        "warm_up": epochs(10, source="nazmul-karim170/UNICON-Noisy-Label, CIFAR-10 (CIFAR-100: 30)"),
        "d_u": real(0.7, 0, 1, source="nazmul-karim170/UNICON-Noisy-Label"),
        "tau": real(5.0, 1, 1000, search=None, source="nazmul-karim170/UNICON-Noisy-Label"),
        "temperature": real(0.5, 0.1, 1, source="nazmul-karim170/UNICON-Noisy-Label (T)"),
        "alpha": real(4.0, 0.01, 100, source="nazmul-karim170/UNICON-Noisy-Label, CIFAR (Tiny-ImageNet: .5)"),
        "guessed_weight": real(
            30.0, 0, 1000, source="nazmul-karim170/UNICON-Noisy-Label, CIFAR (lambda_u; Tiny-ImageNet: 50)"
        ),
        "ramp": epochs(16, source="nazmul-karim170/UNICON-Noisy-Label, CIFAR (Clothing1M: 5)"),
        "contrastive_weight": real(0.025, 0, 100, source="nazmul-karim170/UNICON-Noisy-Label (lambda_c)"),
        "contrastive_temperature": real(0.05, 0.01, 10, source="nazmul-karim170/UNICON-Noisy-Label (SupConLoss)"),
        "confident_warm_up": flag(
            True, source="nazmul-karim170/UNICON-Noisy-Label: false for asymmetric noise, which penalises confidence"
        ),
        "warm_up_batch": integer(
            None, 2, 100_000, search=None, source="the suite's, where not given; the authors': twice the batch of 64"
        ),
    }
    warm_up: int
    d_u: float
    tau: float
    temperature: float
    alpha: float
    guessed_weight: float
    ramp: int
    contrastive_weight: float
    contrastive_temperature: float
    confident_warm_up: bool
    warm_up_batch: int | None
    divergence: Tensor
    selected: Tensor

    def build(self) -> None:
        super().build()
        inputs, generator = self.network_of(0).feature_size, self.task.generator
        heads = [initialised_linear(inputs, PROJECTED, generator) for _ in self.pair]
        self.heads = nn.ModuleList(nn.Sequential(head, nn.BatchNorm1d(PROJECTED)) for head in heads)
        self.register_buffer("divergence", torch.zeros(self.task.num_samples))
        self.register_buffer("selected", torch.ones(self.task.num_samples, dtype=torch.bool))

    def parameter_groups(self) -> list[dict[str, Any]]:
        # The heads are apart, since they learn nothing in warm-up.
        return [*super().parameter_groups(), *({"params": list(head.parameters())} for head in self.heads)]

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch <= self.warm_up:
            return [Phase(batch_size=self.warm_up_batch, name="warm", number=number) for number in (0, 1)]
        share, size = self.divide(), self.task.batch_size
        rest = rows_where(~self.selected)
        limit = min(int(size / (2 * share)), len(rest)) if share else size
        streams = {"rest": (rest, max(1, limit))}
        return [Phase(rows_where(self.selected), number=number, streams=streams) for number in (0, 1)]

    def divide(self) -> float:
        """Select samples by what both networks predict; returns the share of those that are closer than the mean."""
        answers = [self.task.logits(network).softmax(1) for network in self.pair]
        self.divergence.copy_(label_divergence(torch.stack(answers).mean(0), self.task.labels))
        _, share = clean_share(self.divergence, self.d_u, self.tau)
        self.selected.copy_(evenly_selected(self.divergence, self.task.labels, self.task.num_classes, share))
        return share

    def loss(self, batch: Batch) -> Tensor:
        if batch.phase != "warm":
            return self.semi_supervised_loss(batch, batch.number)
        logits: Tensor = self.pair[batch.number](batch.views[0])
        batch.observe(logits)
        loss = F.cross_entropy(logits, batch.labels)
        return loss if self.confident_warm_up else loss + confidence_penalty(logits)

    def semi_supervised_loss(self, batch: Batch, number: int) -> Tensor:
        """The loss of network `number` on a batch of selected samples and, where there are any, one of the rest."""
        network, peer = self.pair[number], self.pair[1 - number]
        answers, guess = guesses([network], batch.views[:2])
        batch.observe(answers[0], selected=torch.ones_like(self.divergence[batch.index]))
        kept = refinement_weights(self.divergence[batch.index])
        targets = [co_refined(batch.labels, kept, guess, self.temperature)] * 2
        images, contrast = [*batch.views[2:]], torch.zeros((), device=kept.device)
        if (rest := batch.streams.get("rest")) is not None:
            answers, guess = guesses([network, peer], rest.views[:2])
            batch.observe(answers[0], rest, selected=torch.zeros_like(self.divergence[rest.index]))
            targets += [sharpened(guess, self.temperature)] * 2
            images += rest.views[2:]
            contrast = self.contrast(number, rest)
        mix, wanted = mixture(images, targets, larger_share(self.task.rng, self.alpha), self.task.generator)
        logits, clean = network(mix), 2 * len(batch.labels)
        clock = network_clock(batch.progress, batch.epoch, number, 2)
        strength = self.guessed_weight * linear_ramp(clock, self.warm_up, self.ramp)
        loss = semi_loss(logits[:clean], wanted[:clean], logits[clean:], wanted[clean:], strength)
        return loss + prior_penalty(logits) + self.contrastive_weight * contrast

    def contrast(self, number: int, rest: Batch) -> Tensor:
        """The contrastive loss of network `number` on the two strong views of a batch, each view a pass of its own."""
        network, head = self.network_of(number), self.heads[number]
        if len(rest.index) < 2:  # batch normalisation has nothing to say of one sample
            return torch.zeros((), device=rest.index.device)
        features = torch.cat([head(network.features(view)) for view in rest.views[2:]])
        return contrastive_loss(features, same_image(len(rest.index), features.device), self.contrastive_temperature)

    def clean_scores(self) -> Tensor | None:
        """The negative divergence from the given label, at the last division."""
        return -self.divergence if self.warm_up < self.task.epochs else None
