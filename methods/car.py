"""CAR: confidence adaptive regularization (Lu, Bo, He; arXiv 2108.08212), as far as its authors' code tells it.

The paper's own settings and code are not public. What is built here is the loss of the authors' next paper, NAL
(github MacLLL/NAL), with its auxiliary term switched on ("RNAL"), and is called so in tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from methods.base import Batch, Method, initialised_linear
from methods.hyper import choice, epochs, flag, real

BISECTIONS = 40  # of the optimal confidence: more than float32 can tell apart


def car_terms(
    logits: Tensor,
    targets: Tensor,
    confidence_logits: Tensor | None,
    penalty: float,
    auxiliary: float,
    authors_behaviour: bool = False,
) -> dict[str, Tensor]:
    """The terms of each sample's loss, [B] each: see `car_loss`, which is the mean of their sum."""
    targets = targets.detach()
    log_targets = targets.clamp_min(torch.finfo(targets.dtype).tiny).log()
    if confidence_logits is None:
        confidence_logits = torch.full_like(logits[:, 0], torch.inf)
    gate = confidence_logits[:, None]
    if authors_behaviour:
        log_targets = targets.log()  # theirs: a target of zero gives NaN, also where `auxiliary` is 0
        p = logits.softmax(1).clamp(1e-12, 1 - 1e-12)
        h = gate.sigmoid().clamp(1e-12, 1 - 1e-12)
        q = (h * p + (1 - h) * targets).clamp(1e-7, 1.0)
        log_q, log_h = q.log(), h.log()
    else:
        log_h = F.logsigmoid(gate)
        log_q = torch.logaddexp(log_h + logits.log_softmax(1), F.logsigmoid(-gate) + log_targets)
        q = log_q.exp()
    return {
        "interpolated_cross_entropy": -(targets * log_q).sum(1),
        "confidence_penalty": -penalty * log_h.squeeze(1),
        "auxiliary": -auxiliary * (q * log_targets).sum(1),
    }


def car_loss(
    logits: Tensor,
    targets: Tensor,
    confidence_logits: Tensor | None,
    penalty: float,
    auxiliary: float,
    authors_behaviour: bool = False,
) -> Tensor:
    """L = mean_i [ -sum_c t_c log q_c  -  penalty log h  -  auxiliary sum_c q_c log t_c ], with q = h p + (1 - h) t.

    logits, targets: [B, K] float (targets are constants); confidence_logits: [B] float, h = sigmoid of them, or None
    for h = 1. Returns a scalar; gradients flow through p and h. All logarithms are taken in log space, so that no
    gradient is infinite or cut off; a target of zero counts as the smallest positive normal number in log t.
    authors_behaviour: p and h are clamped to [1e-12, 1 - 1e-12] and q to [1e-7, 1], as in the authors' code, and
    clamped entries have no gradient; a target of zero gives NaN. The two differ only there and where h or q saturates.
    """
    terms = car_terms(logits, targets, confidence_logits, penalty, auxiliary, authors_behaviour)
    return _mean_of_sums(terms)


def _mean_of_sums(terms: Mapping[str, Tensor]) -> Tensor:
    """The mean over samples of what `car_terms` gives."""
    first, *others = terms.values()
    return sum(others, first).mean()


def optimal_confidence(logits: Tensor, targets: Tensor, penalty: float, auxiliary: float) -> Tensor:
    """[B]: the h in (0, 1] at which `car_loss` is smallest for these predictions and targets; constants.

    logits, targets: [B, K] float. The loss is convex in h, so its slope is bisected; with a target of one class and no
    auxiliary term h = min(1, penalty / ((1 + penalty) (1 - p_y))). Derived in this suite, not taken from the authors.
    """
    with torch.no_grad():
        p, targets = logits.softmax(1), targets.to(logits.dtype)
        away = p - targets
        log_targets = targets.clamp_min(torch.finfo(targets.dtype).tiny).log()
        pull = auxiliary * (away * log_targets).sum(1)  # the auxiliary term is linear in h

        def rises(h: Tensor) -> Tensor:
            q = (targets + h[:, None] * away).clamp_min(torch.finfo(targets.dtype).tiny)
            return -(targets * away / q).sum(1) - penalty / h - pull > 0

        low, high = torch.zeros_like(pull), torch.ones_like(pull)
        whole = ~rises(high)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            above = rises(middle)
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return torch.where(whole, 1.0, (low + high) / 2)


def car_targets(targets: Tensor, logits: Tensor, confidence: Tensor, momentum: float, threshold: float) -> Tensor:
    """The batch's targets after an update: t <- m t + (1 - m) p where h > threshold, unchanged elsewhere; detached.

    targets, logits: [B, K] float; confidence: [B] float, the h of this pass. Returns [B, K].
    """
    moved = momentum * targets + (1 - momentum) * logits.detach().softmax(1)
    return torch.where(confidence.detach()[:, None] > threshold, moved, targets)


def _branch(width: int, layers: int, generator: Generator) -> nn.Module:
    """So many linear layers from features to one number, with activations between them."""
    last = initialised_linear(width, 1, generator)
    if layers == 1:
        return last
    hidden = [part for _ in range(layers - 1) for part in (initialised_linear(width, width, generator), nn.ReLU())]
    return nn.Sequential(*hidden, last)


class ConfidenceAdaptiveRegularization(Method):
    """A linear branch on the features gives each sample a confidence h that interpolates prediction and target.

    Targets start as the given labels and follow the predictions from epoch `start` on, every `update_every` epochs
    (those whose number it divides), updated before the loss of the step. They are kept inside [target_floor, 1] and not
    renormalised, as in the authors' code; at a floor of 0, with `confidence = "one"`, no auxiliary term and no
    correction, this is cross-entropy. Prediction uses the class head alone.

    With `branch = "deep"` the confidence has three layers: those of the network's own head for it, where it has one,
    which starts from its convolutions; else of the branch, whose hidden layers are as wide as the features.

    The branch sees features of unit length without passing a gradient back, and its logit lies in (-logit_bound,
    logit_bound): on the features as they are, the penalty drives logit and features out of all bounds within a few
    steps (docs/car.md). `authors_behaviour` is the authors' code to the letter: their branch, their start epoch, their
    clamps of p, h and q (see `car_loss`), and a table clamped only after its first update, so that a start that is no
    update epoch gives NaN; else a target is clamped whenever it is read.
    """

    name = "car"
    title = "CAR (NAL code, beta > 0)"
    family = "label refurbishment"
    year = 2021
    version = 2  # the branch's bounded logit, and the start of correction
    reference = "Lu, Bo, He, Confidence Adaptive Regularization for Deep Learning with Noisy Labels, arXiv 2108.08212"
    hyper = {
        "penalty": real(10.0, 0, 1000, scale="log", source="inferred: MacLLL/NAL, CIFAR (lambda; of .5, 10, 50)"),
        "auxiliary": real(0.1, 0, 10, source="inferred: MacLLL/NAL has it for Clothing1M and WebVision only (beta)"),
        "momentum": real(0.9, 0, 1, search=(0.7, 0.99), source="inferred: MacLLL/NAL, CIFAR (m)"),  # NAL's grid
        "threshold": real(0.0, 0, 1, source="inferred: MacLLL/NAL (delta)"),
        "start": epochs(
            0.6, search=(0.1, 0.8), authors=0.12,
            source="this suite, by noisy validation (docs/car.md); authors: NAL on CIFAR, 60 of 500 epochs (es)",
        ),
        "update_every": epochs(
            1, 1, search=None, source="inferred: the abstract speaks of estimation in each iteration"
        ),
        "target_floor": real(1e-4, 0, 0.1, search=None, source="MacLLL/NAL"),
        "confidence": choice(
            "learned", "one", "optimal",
            source="the method; `one` and `optimal` (h at which the loss is smallest) are for ablations",
        ),
        "branch_features": choice(
            "unit",
            "plain",
            authors="plain",
            headless={"branch": "deep", "confidence": "learned"},
            source="this suite, because features of any length let one step saturate h; authors: plain",
        ),
        "branch_gradient": flag(
            False, authors=True,
            source="this suite, because the penalty's gradient keeps the network from learning; authors: on",
        ),
        "logit_bound": real(
            10.0, 0, 1000, search=None, authors=0.0,
            source="this suite, because where h = 1 is best its logit has no finite optimum; authors: none (0)",
        ),
        "branch": choice(
            "linear", "deep", later=True,
            source="MacLLL/NAL, CIFAR; on ANIMAL-10N it has a second head of three layers beside VGG's (deep)",
        ),
        "correct_targets": flag(True, source="the method; off is for ablations"),
        "authors_behaviour": flag(False, source="this suite, because the authors' branch collapses"),
    }  # fmt: skip
    penalty: float
    auxiliary: float
    momentum: float
    threshold: float
    start: int
    update_every: int
    target_floor: float
    confidence: str
    branch_features: str
    branch_gradient: bool
    logit_bound: float
    branch: str
    correct_targets: bool
    authors_behaviour: bool
    targets: Tensor
    confidence_logits: Tensor

    def build(self) -> None:
        super().build()
        learned, deep = self.confidence == "learned", self.branch == "deep"
        self.head_of_network = learned and deep and self.network.has_confidence
        if learned and not self.head_of_network:
            self.indicator = _branch(self.network.feature_size, 3 if deep else 1, self.task.generator)
        self.register_buffer("targets", F.one_hot(self.task.labels, self.task.num_classes).float())
        # Kept as logits: h itself rounds to 1 for most samples, and the score would lose its order.
        self.register_buffer("confidence_logits", torch.zeros(self.task.num_samples))

    def gate(self, features: Tensor, logits: Tensor, targets: Tensor) -> Tensor | None:
        """[B]: the logit of h; None for h = 1. features: [B, F]; logits, targets: [B, K], before this step's update."""
        if self.confidence == "learned":
            seen = features if self.branch_gradient else features.detach()
            return self.bounded(
                self.indicator(F.normalize(seen) if self.branch_features == "unit" else seen).squeeze(1)
            )
        if self.confidence == "optimal":
            return optimal_confidence(logits, targets, self.penalty, self.auxiliary).logit()
        return None

    def bounded(self, logits: Tensor) -> Tensor:
        """What the branch gives, within its bound."""
        bound = self.logit_bound
        return bound * torch.tanh(logits / bound) if bound else logits

    def loss(self, batch: Batch) -> Tensor:
        targets, gate = self.targets[batch.index], None
        if self.head_of_network:
            detached = not self.branch_gradient
            features, confidence = self.network.features_and_confidence(batch.views[0], detached)
            gate = self.bounded(confidence)
        else:
            features = self.network.features(batch.views[0])
        logits = self.network.classify(features)
        if gate is None:
            gate = self.gate(features, logits, targets.clamp(self.target_floor, 1.0))
        h = torch.ones_like(logits[:, 0]) if gate is None else gate.detach().sigmoid()
        batch.observe(logits, confidence=h)
        if gate is not None:
            self.confidence_logits[batch.index] = gate.detach()
        corrected = self.correct_targets and batch.epoch >= self.start
        if corrected and batch.epoch % max(1, self.update_every) == 0:
            self.targets[batch.index] = car_targets(targets, logits, h, self.momentum, self.threshold)
            self.targets.clamp_(self.target_floor, 1.0)
            targets = self.targets[batch.index]
        if not (corrected and self.authors_behaviour):
            targets = targets.clamp(self.target_floor, 1.0)
        terms = car_terms(logits, targets, gate, self.penalty, self.auxiliary, self.authors_behaviour)
        batch.terms(**{name: values.mean() for name, values in terms.items()})
        return _mean_of_sums(terms)

    def clean_scores(self) -> Tensor | None:
        return self.confidence_logits if self.confidence == "learned" else None
