"""M-correction: a beta mixture of the losses weighs labels against predictions (Arazo et al.; ICML 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Phase
from methods.divide_mix import prior_penalty
from methods.hyper import choice, epochs, real
from methods.mixup import Mixup, mixup_loss
from methods.papers.m_correction import PUBLISHED

CELLS = 100  # of the table of the posterior
MARGIN = 1e-3
TINY = 1e-12
ROUNDS = 10


class BetaMixture(NamedTuple):
    """Two beta distributions, of clean and of noisy samples: parameters a, b and weights, [2] float64 each."""

    a: Tensor
    b: Tensor
    weight: Tensor


def weighted_densities(x: Tensor, mixture: BetaMixture) -> Tensor:
    """[2, n]: the density of each component at x [n] float64 inside (0, 1), times its weight."""
    a, b = mixture.a[:, None], mixture.b[:, None]
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    log_density = (a - 1) * x.log() + (b - 1) * (-x).log1p() - log_beta
    return mixture.weight[:, None] * log_density.exp()


def fit_beta_mixture(x: Tensor) -> BetaMixture:
    """Ten rounds of expectation-maximisation, the second half by weighted moments. x: [n] float64 in [0, 1]."""
    x = x.clamp(1e-4, 1 - 1e-4)
    mixture = BetaMixture(*torch.tensor([[1, 2], [2, 1], [0.5, 0.5]], dtype=torch.float64))
    for _ in range(ROUNDS):
        share = weighted_densities(x, mixture).clamp_min(TINY)
        share = share / share.sum(0)
        total = share.sum(1)
        mean = (share * x).sum(1) / total
        variance = (share * (x - mean[:, None]) ** 2).sum(1) / total
        a = mean * (mean * (1 - mean) / variance.clamp_min(1e-9) - 1)
        mixture = BetaMixture(a, a * (1 - mean) / mean, total / len(x))
    return mixture


def noisy_posterior(x: Tensor, mixture: BetaMixture) -> Tensor:
    """[n]: probability of the second component. x: [n] float64 inside (0, 1)."""
    densities = weighted_densities(x, mixture)
    return densities[1] / (densities.sum(0) + TINY)


def posterior_table(mixture: BetaMixture) -> Tensor:
    """[CELLS]: the posterior over (0, 1), held at its largest value from there on."""
    table = noisy_posterior(torch.linspace(TINY, 1 - TINY, CELLS, dtype=torch.float64), mixture)
    peak = int(table.argmax())
    table[peak:] = table[peak].clone()
    return table


def scaled(losses: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """[n]: losses moved and scaled from [low, high] to [0, 1]; those on or beyond its ends lie MARGIN inside."""
    x = (losses - low) / (high - low + 1e-6)
    return torch.where(x >= 1, 1 - MARGIN, torch.where(x <= 0, MARGIN, x))


def loss_bounds(losses: Tensor) -> tuple[Tensor, Tensor]:
    """The 5th percentile (and a little) and the 95th of losses [N], scalars."""
    low, high = losses.quantile(0.05), losses.quantile(0.95)
    return low + 1e-5, high


def fit_losses(losses: Tensor) -> BetaMixture | None:
    """The mixture of the losses [N] between the percentiles; None where these are equal and tell nothing."""
    low, high = loss_bounds(losses)
    if not bool(high > low):
        return None
    kept = losses[(losses >= losses.quantile(0.05)) & (losses <= high)]
    return fit_beta_mixture(scaled(kept, low, high).double())


def noisy_probability(losses: Tensor, table: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """[n]: the table's entry for each loss, in [1e-4, 1 - 1e-4]. losses: [n] float; table: [CELLS]."""
    cell = (CELLS * scaled(losses, low, high)).long().clamp(0, CELLS - 1)
    return table[cell].to(losses.dtype).clamp(1e-4, 1 - 1e-4)


def guided_mixture(images: Tensor, noisy: Tensor, partners: Tensor) -> Tensor:
    """Each image mixed with its partner in proportion to 1 - B, the probabilities of being clean. images: [B, ...]."""
    clean = (1 - noisy).reshape(-1, *[1] * (images.ndim - 1))
    share = clean / (clean + clean[partners])
    return share * images + (1 - share) * images[partners]


def bootstrapping_loss(
    logits: Tensor, labels: Tensor, targets: Tensor, noisy: Tensor, partners: Tensor, share: float | Tensor
) -> Tensor:
    """mean_i share l_i + (1 - share) l_partner(i), l_j = (1 - B_j) CE(z_i, y_j) + B_j CE(z_i, t_j); a scalar.

    logits: [B, K] of mixed images; targets: [B, K], of the un-mixed images; noisy: [B], the B.
    """
    given = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    wanted = torch.lerp(given, targets, noisy[:, None])
    mix = share * wanted + (1 - share) * wanted[partners]
    return -(mix * logits.log_softmax(1)).sum(1).mean()


class MCorrection(Mixup):
    """Mixup for `warm_up` epochs; then each label is mixed with the network's prediction, by the probability that it is
    wrong: the posterior, at the sample's present loss, of a beta mixture fitted to all losses at each epoch's start.

    Predictions are hard or soft. With `soft_to_hard` (their MD-DYR-SH, for heavy noise) images are mixed in proportion
    to how clean they are, for `guided` epochs with plain labels; then predictions sharpen from soft to hard over
    `hardening` epochs. A penalty on a mean prediction that is not uniform keeps classes alive.

    As in the authors' code the posterior is read from a table of 100 cells, at the loss of a further pass in evaluation
    mode; losses to fit are of augmented images, and the outermost 5% on either side are left out. Where the mixture
    guides the mixing of images, their labels count by a share that is not the images': one drawn from the beta
    distribution, and then a half. Their soft variant takes a half too in a later commit, and its penalty counts ten
    classes, also of CIFAR-100; neither is followed.
    """

    name = "m_correction"
    title = "M-correction"
    family = "label refurbishment"
    year = 2019
    reference = "Arazo et al., Unsupervised Label Noise Modeling and Loss Correction, ICML 2019"
    marks = frozenset({"mixup"})
    passes_per_step = 3.0  # 1 in warm-up; then 3, and 1 to fit the mixture
    published = PUBLISHED
    hyper = {
        "bootstrapping": choice("hard", "soft", "soft_to_hard", source="PaulAlbert31/LabelNoiseCorrection (BootBeta)"),
        "warm_up": epochs(0.35, source="PaulAlbert31/LabelNoiseCorrection: 105 of 300 epochs"),
        "guided": epochs(0.017, source="PaulAlbert31/LabelNoiseCorrection: 5 of 300 epochs"),
        "hardening": epochs(0.297, source="PaulAlbert31/LabelNoiseCorrection: 89 of 300 epochs"),
        "alpha": real(32.0, 0.001, 100, source="PaulAlbert31/LabelNoiseCorrection"),
        "prior": real(1.0, 0, 100, source="PaulAlbert31/LabelNoiseCorrection, its scripts (reg-term)"),
    }
    bootstrapping: str
    warm_up: int
    guided: int
    hardening: int
    prior: float
    table: Tensor
    bounds: Tensor
    noisy: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("table", torch.full((CELLS,), 0.5))  # as unsure as it is before the first fit
        self.register_buffer("bounds", torch.tensor([0.0, 1.0]))
        self.register_buffer("noisy", torch.full((self.task.num_samples,), 0.5))

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch > max(1, self.warm_up):
            logits = self.task.logits(self.network, augment=True)
            losses = F.cross_entropy(logits, self.task.labels, reduction="none")
            mixture = fit_losses(losses.cpu())
            self.bounds.copy_(torch.stack(loss_bounds(losses)))
            self.table.copy_(posterior_table(mixture) if mixture else torch.zeros(CELLS))
            self.noisy.copy_(noisy_probability(losses, self.table, *self.bounds))
        return [Phase()]

    def temperature(self, epoch: int) -> float:
        """From 1 to .001 over `hardening` epochs."""
        done = epoch - 1 - self.warm_up - self.guided
        return 1 - 0.999 * min(1.0, done / max(1, self.hardening - 1))

    def targets(self, images: Tensor, epoch: int) -> Tensor:
        """[B, K]: what the network predicts of un-mixed images, hard or soft."""
        with torch.no_grad():
            logits: Tensor = self.network(images)
        if self.bootstrapping == "hard":
            return F.one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)
        sharp = self.temperature(epoch) if self.bootstrapping == "soft_to_hard" else 1.0
        return (logits / sharp).softmax(1)

    def suspicion(self, batch: Batch) -> Tensor:
        """[B]: the probability that each label is wrong, at the sample's loss in evaluation mode."""
        self.network.eval()
        with torch.no_grad():
            logits = self.network(batch.views[0])
        self.network.train()
        noisy = noisy_probability(F.cross_entropy(logits, batch.labels, reduction="none"), self.table, *self.bounds)
        batch.observe(logits, selected=1 - noisy)
        return noisy

    def loss(self, batch: Batch) -> Tensor:
        if batch.epoch <= self.warm_up:
            return super().loss(batch)
        images, labels = batch.views[0], batch.labels
        draws = batch.draws or self.step_draws(len(images))
        (share, rest), partners = draws["shares"].unbind(), draws["partners"]
        guided = self.bootstrapping == "soft_to_hard"
        if guided and batch.epoch <= self.warm_up + self.guided:
            mix = guided_mixture(images, self.suspicion(batch), partners)
            return mixup_loss(self.network(mix), labels, labels[partners], share, rest)
        targets, noisy = self.targets(images, batch.epoch), self.suspicion(batch)
        mix = guided_mixture(images, noisy, partners) if guided else share * images + rest * images[partners]
        logits = self.network(mix)
        corrected = bootstrapping_loss(logits, labels, targets, noisy, partners, 0.5 if guided else share)
        return corrected + self.prior * prior_penalty(logits)

    def clean_scores(self) -> Tensor | None:
        """The probability that each label is right, at the last fit; None where there was none."""
        return None if self.task.epochs <= max(1, self.warm_up) else 1 - self.noisy
