"""JS and GJS: (generalised) Jensen-Shannon divergence of label and predictions (Englesson, Azizpour; NeurIPS 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method
from methods.hyper import flag, real
from methods.papers.gjs import GJS, JS

FLOOR = 1e-7  # under the probabilities inside logarithms, as in the authors' code


def divergences(wanted: Tensor, given: Tensor) -> Tensor:
    """[B]: KL(wanted || given), with 0 log 0 = 0. wanted, given: [B, K] float, probabilities; clamped in logarithms."""
    return (wanted * (wanted.clamp_min(FLOOR).log() - given.clamp(FLOOR, 1).log())).sum(1)


def weights_of(label: float, views: int) -> list[float]:
    """The weights of the label and of each view's prediction, which share what the label leaves."""
    return [label, *([(1 - label) / views] * views)]


def jensen_shannon(parts: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """[B]: sum_m w_m KL(d_m || sum_m w_m d_m). parts: the distributions d, [B, K] float each; weights: as many."""
    mean = torch.stack([weight * part for weight, part in zip(weights, parts, strict=True)]).sum(0)
    terms = [weight * divergences(part, mean) for weight, part in zip(weights, parts, strict=True)]
    return torch.stack(terms).sum(0)


def js_losses(predictions: Sequence[Tensor], labels: Tensor, weights: Sequence[float], scaled: bool = True) -> Tensor:
    """[B]: the divergence of the one-hot label and the views' predictions.

    predictions: logits [B, K] float, one for each view; labels: [B] int64; weights: the label's first. scaled: over
    -(1 - w_0) log(1 - w_0), so that it tends to cross-entropy for w_0 towards 0 and to a multiple of the mean absolute
    error for w_0 towards 1.
    """
    given = F.one_hot(labels, predictions[0].shape[1]).to(predictions[0].dtype)
    losses = jensen_shannon([given, *(logits.softmax(1) for logits in predictions)], weights)
    left = 1 - weights[0]
    return losses / -(left * math.log(left)) if scaled else losses


class Divergence(Method):
    """What both share; they differ in their views."""

    year = 2021
    reference = (
        "Englesson, Azizpour, Generalized Jensen-Shannon Divergence Loss for Learning with Noisy Labels, NeurIPS 2021"
    )
    marks = frozenset({"strong augmentation"})
    label_weight: float
    scaled: bool

    def loss(self, batch: Batch) -> Tensor:
        predictions = [self.network(view) for view in batch.views]
        batch.observe(predictions[0])
        weights = weights_of(self.label_weight, len(predictions))
        return js_losses(predictions, batch.labels, weights, self.scaled).mean()


class JensenShannon(Divergence):
    """The divergence of label and prediction, between cross-entropy and mean absolute error, of a strong view.

    The authors' strong view is RandAugment (one operation, strength 3), crop and flip, and a cut-out of 16 pixels; a
    suite that wants it names "randaugment_gjs" as its strong view. On images of 8 pixels it would leave nothing. Their
    training has Nesterov momentum. Defaults are theirs for CIFAR-10 with symmetric noise of 20% and 40% (60% and
    80%: .9; asymmetric: .3; CIFAR-100: .1, .3, .5 and .3, asymmetric .5). `scaled` false is their WebVision loss.
    """

    name = "js"
    title = "JS"
    family = "robust loss"
    views = ("strong",)
    published = JS
    hyper = {
        "label_weight": real(0.7, 0.001, 0.999, source="ErikEnglesson/GJS, CIFAR-10 symmetric 20% and 40%"),
        "scaled": flag(True, source="ErikEnglesson/GJS, CIFAR (WebVision: false)"),
    }


class GeneralizedJensenShannon(Divergence):
    """The divergence of label and two strong views' predictions, so that these are also to agree; of views `js` tells.

    Each view has a pass of its own. Default is the authors' for CIFAR-10 with symmetric noise of 40% (20%: .3; 60% and
    80%: .1; asymmetric: .3; CIFAR-100: .3, .5, .9 and .1, asymmetric .5 and .1; WebVision: .1).
    """

    name = "gjs"
    title = "GJS"
    family = "robust loss"
    passes_per_step = 2.0
    views = ("strong", "strong")
    published = GJS
    hyper = {
        "label_weight": real(0.9, 0.001, 0.999, source="ErikEnglesson/GJS, CIFAR-10 symmetric 40%"),
        "scaled": JensenShannon.hyper["scaled"],
    }
