"""SSR: relabel what the classifier is sure of, select by neighbours (Feng, Tzimiropoulos, Patras; BMVC 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase
from methods.heads import two_layer_head
from methods.hyper import integer, real
from methods.neighbours import neighbour_votes
from methods.papers.ssr import PUBLISHED
from methods.semi_supervised import larger_share, mixture, soft_cross_entropy


def relabelled(logits: Tensor, labels: Tensor, theta: float) -> Tensor:
    """[N] int64: the likeliest class where its probability is above `theta`, else the given label."""
    probability, predicted = logits.softmax(1).max(1)
    return torch.where(probability > theta, predicted, labels)


def balanced_votes(features: Tensor, labels: Tensor, num_classes: int, k: int) -> Tensor:
    """[N, K], rows of sum 1: the votes of the k nearest, a sample itself among them, over the classes' frequencies."""
    frequency = torch.bincount(labels, minlength=num_classes).to(features.dtype) + 1e-10
    votes = neighbour_votes(features, labels, num_classes, k, itself=True) / frequency
    return votes / votes.sum(1, keepdim=True)


def agreement(votes: Tensor, labels: Tensor) -> Tensor:
    """[N] in [0, 1]: the vote for the label over the largest vote of the sample. votes: [N, K]."""
    return votes.gather(1, labels[:, None]).squeeze(1) / votes.amax(1)


def feature_consistency(prediction: Tensor, projection: Tensor) -> Tensor:
    """The negative mean cosine of two [B, D], a scalar; the second is a constant."""
    return -F.cosine_similarity(prediction, projection.detach()).mean()


class SampleSelectionAndRelabelling(Method):
    """At the start of every epoch, labels of which the classifier is sure are replaced, and samples are selected whose
    label wins the balanced vote of their nearest neighbours. The selected learn by mixed-up cross-entropy of two strong
    views, drawn evenly by class; in the features of all samples the strong view is to foretell the weak one.

    The authors' strong view is AutoAugment (`autoaugment_cifar10_ssr`); here it is the suite's "strong". What a reader
    of the paper would not expect of their code: relabelling starts from the given labels in every epoch; neighbours
    vote without weights, and a sample is its own first neighbour; the features are of weakly augmented images; there is
    no warm-up, so that the first selection is by random features. The authors repeat samples till all classes are as
    large as the largest and shuffle these. Here each batch holds as many of every class, and none twice: where a class
    has too few for that, fewer; of more classes than the batch has samples, one of each. No more neighbours are asked
    than half of all samples, and where none is selected all are.
    """

    name = "ssr"
    title = "SSR"
    family = "sample selection"
    year = 2022
    reference = (
        "Feng, Tzimiropoulos, Patras, "
        "SSR: An Efficient and Robust Framework for Learning with Unknown Label Noise, BMVC 2022"
    )
    marks = frozenset({"strong augmentation", "mixup"})
    passes_per_step = 5.0  # 1 to select, 2 for consistency, 2 for a labelled sample
    views = ("weak", "strong", "strong")
    published = PUBLISHED
    hyper = {
        "theta_s": real(1.0, 0, 1, source="MrChenFeng/SSR_BMVC2022"),
        "theta_r": real(0.9, 0, 1, source="MrChenFeng/SSR_BMVC2022, CIFAR-10 (CIFAR-100 from 50% noise on: .8)"),
        "neighbours": integer(200, 1, 10_000, source="MrChenFeng/SSR_BMVC2022 (k)"),
        "consistency": real(1.0, 0, 100, source="MrChenFeng/SSR_BMVC2022 (lambda_fc)"),
        "alpha": real(4.0, 0.01, 100, source="MrChenFeng/SSR_BMVC2022 (of mixup)"),
    }
    theta_s: float
    theta_r: float
    neighbours: int
    consistency: float
    alpha: float
    labels: Tensor
    score: Tensor
    clean: Tensor

    def build(self) -> None:
        super().build()
        self.projector = two_layer_head(self.network.feature_size, 256, 128, self.task.generator)
        self.predictor = two_layer_head(128, 256, 128, self.task.generator)
        self.register_buffer("labels", self.task.labels.clone())
        self.register_buffer("score", torch.ones(self.task.num_samples))  # of the given labels
        self.register_buffer("clean", torch.ones(self.task.num_samples, dtype=torch.bool))

    def parameter_groups(self) -> list[dict[str, Any]]:
        # The heads are apart, since a batch of one sample teaches them nothing.
        heads = [*self.projector.parameters(), *self.predictor.parameters()]
        return [{"params": list(self.network.parameters())}, {"params": heads}]

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.network.features(images)
        return features, self.network.classify(features)

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        self.select(*self.task.evaluate(self.features_and_logits, view="weak", network=self.network))
        if not self.clean.any():
            self.clean.fill_(True)
        size = max(1, self.task.batch_size // self.task.num_classes)
        rows = [(self.clean & (self.labels == label)).nonzero()[:, 0] for label in range(self.task.num_classes)]
        return [Phase(streams={str(label): (indices, size) for label, indices in enumerate(rows) if len(indices)})]

    def select(self, features: Tensor, logits: Tensor) -> None:
        """Relabel and select by the features [N, F] and logits [N, K] of all samples."""
        count, classes = self.task.num_samples, self.task.num_classes
        self.labels.copy_(relabelled(logits, self.task.labels, self.theta_r))
        votes = balanced_votes(features, self.labels, classes, min(self.neighbours, max(1, count // 2)))
        self.score.copy_(agreement(votes, self.task.labels))
        self.clean.copy_(agreement(votes, self.labels) >= self.theta_s)

    def loss(self, batch: Batch) -> Tensor:
        losses = [self.labelled_loss(list(batch.streams.values()))] if batch.streams else []
        weak, strong = (self.network.features(view) for view in batch.views[:2])
        right = self.clean[batch.index] & (self.labels[batch.index] == batch.labels)
        batch.observe(self.network.classify(weak.detach()), selected=right)
        if len(weak) > 1:  # batch normalisation has nothing to say of one sample
            projection, foretold = self.projector(weak), self.predictor(self.projector(strong))
            losses.append(self.consistency * feature_consistency(foretold, projection))
        return torch.stack(losses).sum()

    def labelled_loss(self, chosen: Sequence[Batch]) -> Tensor:
        """Cross-entropy of two strong views of the selected samples, mixed with one another."""
        index = torch.cat([part.index for part in chosen])
        views = [torch.cat([part.views[number] for part in chosen]) for number in (1, 2)]
        targets = [F.one_hot(self.labels[index], self.task.num_classes).float()] * 2
        mix, wanted = mixture(views, targets, larger_share(self.task.rng, self.alpha), self.task.generator)
        return soft_cross_entropy(self.network(mix), wanted)

    def clean_scores(self) -> Tensor:
        """The vote for the given label over the largest one."""
        return self.score
