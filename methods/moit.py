"""MOIT: interpolated contrastive learning, and labels that their neighbours vouch for (Ortego et al.; CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase, initialised_linear
from methods.contrastive import Memory, apart, interpolated_losses, log_shares, major_and_minor
from methods.hyper import choice, epochs, integer, real
from methods.neighbours import balanced, detection
from methods.papers.moit import MOIT
from methods.selected_pairs import are_pairs, pair_threshold, similarity_loss
from methods.semi_supervised import larger_share

PROJECTED = 128


def classification_losses(
    logits: Tensor, labels: Tensor, partners: Tensor, portions: Tensor, trust: Tensor, guess: Tensor
) -> Tensor:
    """[2 B]: cross-entropies of mixed images, with a guess for the labels as far as these are not trusted.

    a (l CE(y) + (1 - l) CE(y')) + l (1 - a) CE(g) + (1 - l) (1 - a') CE(g'), with ' of the partner.
    logits: [2 B, K]; labels: [B] int64; partners: [2, B]; portions: [2], the l; trust: [B], the a; guess: [B, K].
    """
    given, other = F.one_hot(labels, logits.shape[1]).to(logits.dtype), partners.flatten()
    portion = portions.repeat_interleave(len(labels))[:, None]
    own, trusted = trust[:, None].repeat(2, 1), (1 - trust)[:, None]
    wanted = own * (portion * given.repeat(2, 1) + (1 - portion) * given[other])
    guessed = trusted * guess
    wanted = wanted + portion * guessed.repeat(2, 1) + (1 - portion) * guessed[other]
    return -(wanted * logits.log_softmax(1)).sum(1)


QUANTILES = {"median": 0.5, "max": 1.0, "min": 0.0}


class Moit(Method):
    """Two strong views of each image are mixed, each with partners of its own; their features are drawn to those of the
    same label, also to features of earlier steps, and classified. At the end of each epoch the neighbours in feature
    space vote twice on every label; from `correction` on labels that do not win are replaced by the prediction for the
    plain image.

    With `pairs = "selected"` images belong together as in Sel-CL (Li et al., CVPR 2022): those of one label of which
    both are selected, or which are as alike as most such pairs; an image without a pair does not count. `similarity`
    weighs its loss of predictions that are alike or not. Its averaged network, its queue without labels and its
    separate batches of selected samples are not here.

    The authors' strong view is `contrastive`; here it is the suite's "strong". What a reader of the paper would not
    expect of their code: votes are counted, unweighted; the detection is run in every epoch, though its result is used
    after `correction` alone (here it is run from there on); a mixed image's trust is that of its larger part, for the
    labels of both; partners count twice as positives; the features of a step are in the memory when they are compared
    with it. Theirs needs a full memory from `memory_from` on; here what is empty counts for nothing, and it holds a
    batch at least. No more neighbours are asked than half of all samples.
    """

    name = "moit"
    title = "MOIT"
    family = "sample selection"
    year = 2021
    reference = (
        "Ortego, Arazo, Albert, O'Connor, McGuinness, Multi-Objective Interpolation Training for Robustness to "
        "Label Noise, CVPR 2021"
    )
    marks = frozenset({"strong augmentation", "mixup"})
    passes_per_step = 4.0  # 2 mixed and 1 plain; 1 to detect, from `correction` on
    views = ("strong", "strong", "plain")
    published = MOIT
    hyper = {
        "correction": epochs(0.52, source="DiegoOrtego/LabelNoiseMOIT: 130 of 250 epochs (startLabelCorrection)"),
        "neighbours": integer(250, 1, 10_000, source="DiegoOrtego/LabelNoiseMOIT, its scripts (k_val)"),
        "balance": choice(
            "median", "max", "min", "none", source="DiegoOrtego/LabelNoiseMOIT, its scripts (balance_crit)"
        ),
        "memory_from": epochs(3, source="DiegoOrtego/LabelNoiseMOIT, its scripts (xbm_begin)"),
        "memory": integer(
            100, 0, 1000, search=None,
            source="DiegoOrtego/LabelNoiseMOIT, its scripts: images a class (xbm_per_class)",
        ),
        "temperature": real(0.1, 0.01, 10, source="DiegoOrtego/LabelNoiseMOIT, its scripts (batch_t)"),
        "alpha": real(1.0, 0.01, 100, source="DiegoOrtego/LabelNoiseMOIT (of mixup)"),
        "pairs": choice("given", "selected", source="DiegoOrtego/LabelNoiseMOIT (ShikunLi/Sel-CL: selected)"),
        "pair_quantile": real(0.25, 0, 1, source="ShikunLi/Sel-CL, CIFAR-10 (beta; CIFAR-100: .35, asymmetric 0)"),
        "similarity": real(0.0, 0, 100, source="DiegoOrtego/LabelNoiseMOIT: none (ShikunLi/Sel-CL: lambda_s = .01)"),
    }  # fmt: skip
    correction: int
    neighbours: int
    balance: str
    memory_from: int
    memory: int
    temperature: float
    alpha: float
    pairs: str
    pair_quantile: float
    similarity: float
    trusted: Tensor
    discrepancy: Tensor
    features: Tensor
    threshold: Tensor

    def build(self) -> None:
        super().build()
        count, size = self.task.num_samples, 2 * max(self.memory * self.task.num_classes, self.task.batch_size + 1)
        self.projector = initialised_linear(self.network.feature_size, PROJECTED, self.task.generator)
        self.remembered = Memory(size, PROJECTED)
        self.register_buffer("trusted", torch.ones(count))
        self.register_buffer("discrepancy", torch.zeros(count))
        self.register_buffer("features", torch.zeros(count if self.pairs == "selected" else 0, PROJECTED))
        self.register_buffer("threshold", torch.zeros(()))  # of the cosine, from which two samples are a pair

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch > (1 if self.pairs == "selected" else max(1, self.correction)):
            self.detect()
        return [Phase()]

    def detect(self) -> None:
        """Which labels are trusted, by the neighbours of all samples."""
        labels, classes = self.task.labels, self.task.num_classes
        features = self.task.evaluate(self.projected, network=self.network)
        detected = detection(features, labels, classes, min(self.neighbours, max(1, len(labels) // 2)))
        self.discrepancy.copy_(detected.second)
        quantile = QUANTILES.get(self.balance)
        self.trusted.copy_(detected.agreed if quantile is None else balanced(detected, labels, classes, quantile))
        if self.pairs == "selected":
            self.features.copy_(features)
            self.threshold.fill_(pair_threshold(features, labels, self.trusted > 0, classes, self.pair_quantile))

    def paired(self, rows: Tensor, others: Tensor) -> Tensor:
        """[n, m] bool: which samples belong together. rows: [n] int64; others: [m] int64, -1 for none."""
        labels, trusted = self.task.labels, self.trusted > 0
        if self.pairs == "given":
            return (labels[rows][:, None] == labels[others]) & (others >= 0)
        named, features, kept = ((table[rows], table[others]) for table in (labels, self.features, trusted))
        return are_pairs(named, features, kept, self.threshold) & (others >= 0)

    def projected(self, images: Tensor) -> Tensor:
        return F.normalize(self.projector(self.network.features(images)))

    def step_draws(self, batch_size: int) -> dict[str, Tensor]:
        """portions: [2] float32, a larger share for each view; partners: [2, B] int64."""
        generator = self.task.generator
        portions = [larger_share(self.task.rng, self.alpha) for _ in range(2)]
        partners = [torch.randperm(batch_size, generator=generator) for _ in range(2)]
        return {"portions": torch.tensor(portions), "partners": torch.stack(partners)}

    def drawn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        draws = batch.draws or self.step_draws(len(batch.labels))
        return draws["portions"], draws["partners"]

    @torch.no_grad()
    def plain(self, batch: Batch) -> Tensor:
        """The logits [B, K] for the plain images, which are observed."""
        logits: Tensor = self.network(batch.views[2])
        batch.observe(logits, selected=self.trusted[batch.index])
        return logits

    def loss(self, batch: Batch) -> Tensor:
        portions, partners = self.drawn(batch)
        plain, trust = self.plain(batch), self.trusted[batch.index]
        features = torch.cat(
            [
                self.network.features(portion * view + (1 - portion) * view[partner])
                for view, partner, portion in zip(batch.views[:2], partners, portions, strict=True)
            ]
        )
        trust = trust if batch.epoch > self.correction else torch.ones_like(trust)
        logits, guess = self.network.classify(features), plain.softmax(1)
        losses = classification_losses(logits, batch.labels, partners, portions, trust, guess)
        loss = losses.mean() + self.contrast(F.normalize(self.projector(features)), batch, partners, portions)
        if not self.similarity:
            return loss
        alike = major_and_minor(self.paired(batch.index, batch.index), partners)
        return loss + self.similarity * similarity_loss(logits.softmax(1), *alike, portions)

    def contrast(self, features: Tensor, batch: Batch, partners: Tensor, portions: Tensor) -> Tensor:
        """The contrastive loss of features [2 B, D] among themselves, and against the memory, which they enter."""
        index, others = batch.index, apart(len(features), features.device)
        pairs = self.paired(index, index)
        shares = log_shares(features, features, others, self.temperature)
        losses = interpolated_losses(shares, *major_and_minor(pairs, partners), portions)
        rest = pairs & apart(len(index), index.device)
        total = self.mean_of(losses, rest)
        rows = self.remembered.write(features, index.repeat(2))
        if batch.epoch > self.memory_from:
            known = self.paired(index, self.remembered.numbers)
            losses = self.remembered.losses(features, known, pairs, partners, rows, portions, self.temperature)
            total = total + self.mean_of(losses, known.index_copy(1, rows, rest.repeat(1, 2)))
        return total

    def mean_of(self, losses: Tensor, pairs: Tensor) -> Tensor:
        """The mean of the losses [2 B], with "selected" 0 for an image without a pair. pairs: [B, m] bool."""
        return (losses * pairs.any(1).repeat(2)).mean() if self.pairs == "selected" else losses.mean()

    def clean_scores(self) -> Tensor | None:
        """The share of votes for the given label in the last second vote; None where there was none."""
        return (-self.discrepancy).exp() if bool(self.discrepancy.any()) else None
