"""Scoring a method's predictions: accuracy and its kin on labelled images, memorisation on the training set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from common.float64 import with_float64
from common.record import Calibration, Final
from datasets.loader import Loader
from methods.base import Method

CALIBRATION_BINS = 15


@contextmanager
def evaluating(method: Method) -> Iterator[None]:
    """Evaluation mode without gradients; passes are counted as evaluation, not as cost."""
    counter = method.task.counter  # type: ignore[attr-defined]
    was_training = method.training
    method.eval()
    counter.evaluating = True
    try:
        with torch.inference_mode():
            yield
    finally:
        counter.evaluating = False
        method.train(was_training)


def predictions(method: Method, loader: Loader, batch_size: int) -> Tensor:
    """[M, n, K] float32 logits of every member over all images of `loader`, without augmentation."""
    with evaluating(method):
        graphs = getattr(method.task, "scores", None)
        replayed = None if graphs is None else graphs.predictions(method, loader, batch_size)
        if replayed is not None:
            return cast(Tensor, replayed)
        parts = []
        for _, images in loader.plain(batch_size):
            logits = method.predict(images).float()
            parts.append(logits if logits.ndim == 3 else logits[None])
        return torch.cat(parts, 1)


def scored_members(logits: Tensor, how: str) -> list[Tensor]:
    """The [n, K] logits whose scores are averaged: every member ("mean"), their mean ("ensemble"), or the "first"."""
    if how == "ensemble":
        return [logits.mean(0)]
    return [logits[0]] if how == "first" else list(logits)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def accuracy(logits: Tensor, labels: Tensor, how: str) -> float:
    """Share of right predictions, scored as `how` says."""
    return _mean([float(with_float64(one.argmax(1) == labels).double().mean()) for one in scored_members(logits, how)])


def top_accuracy(logits: Tensor, labels: Tensor, how: str, count: int = 5) -> float:
    """Share of images whose label is among the `count` classes of largest logit, scored as `how` says."""
    hits = [(one.topk(count, 1).indices == labels[:, None]).any(1) for one in scored_members(logits, how)]
    return _mean([float(with_float64(one).double().mean()) for one in hits])


def negative_log_likelihood(logits: Tensor, labels: Tensor, how: str) -> float:
    """Mean cross-entropy in nats, scored as `how` says."""
    return _mean([float(F.cross_entropy(one, labels)) for one in scored_members(logits, how)])


def _calibration(logits: Tensor, labels: Tensor) -> Calibration:
    """Confidence, accuracy and count in equal-width bins of the top probability (after Guo et al. 2017)."""
    confidence, predicted = map(with_float64, logits.softmax(1).max(1))
    right = (predicted == with_float64(labels)).double()
    bins = (confidence * CALIBRATION_BINS).long().clamp(0, CALIBRATION_BINS - 1)
    zeros = torch.zeros(CALIBRATION_BINS, dtype=torch.float64, device=right.device)
    count = zeros.index_add(0, bins, torch.ones_like(right))
    safe = count.clamp_min(1)
    return {
        "confidence": (zeros.index_add(0, bins, confidence.double()) / safe).tolist(),
        "accuracy": (zeros.index_add(0, bins, right) / safe).tolist(),
        "count": count.tolist(),
    }


def _calibration_error(bins: Calibration) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, weighted by the bins' counts."""
    gaps = (abs(c - a) * n for c, a, n in zip(bins["confidence"], bins["accuracy"], bins["count"], strict=True))
    return sum(gaps) / sum(bins["count"])


def _pooled(binned: Sequence[Calibration]) -> Calibration:
    """The bins of all members together: means weighted by each member's count, and the mean count."""
    counts = [_mean(column) for column in zip(*(one["count"] for one in binned), strict=True)]

    def pooled(values: list[list[float]]) -> list[float]:
        weighted = [
            [v * n for v, n in zip(own, one["count"], strict=True)] for own, one in zip(values, binned, strict=True)
        ]
        means = [_mean(column) for column in zip(*weighted, strict=True)]
        return [value / count if count else 0.0 for value, count in zip(means, counts, strict=True)]

    confidence, accuracy = ([one["confidence"] for one in binned], [one["accuracy"] for one in binned])
    return {"count": counts, "confidence": pooled(confidence), "accuracy": pooled(accuracy)}


def confusion(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """[K, K] float64 counts, rows: label, columns: prediction."""
    cells = torch.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return with_float64(cells.reshape(num_classes, num_classes)).double()


def final_scores(logits: Tensor, labels: Tensor, how: str) -> Final:
    """The `final` part of a record: accuracy, per class, confusion, calibration, NLL; members and ensemble apart."""
    num_classes = logits.shape[-1]
    members = scored_members(logits, how)
    table = torch.stack([confusion(one.argmax(1), labels, num_classes) for one in members]).mean(0)
    binned = [_calibration(one, labels) for one in members]
    scores: Final = {
        "test_accuracy": accuracy(logits, labels, how),
        "per_class_accuracy": (table.diagonal() / table.sum(1).clamp_min(1)).tolist(),
        "confusion": table.tolist(),
        "ece": _mean([_calibration_error(one) for one in binned]),
        "nll": negative_log_likelihood(logits, labels, how),
        "calibration": _pooled(binned),
    }
    if len(logits) > 1:
        scores["members"] = [{"test_accuracy": accuracy(one[None], labels, "first")} for one in logits]
        scores["ensemble"] = {"test_accuracy": accuracy(logits, labels, "ensemble")}
    return scores


def memorisation(logits: Tensor, given: Tensor, true: Tensor, how: str) -> dict[str, float | None]:
    """What the training samples are predicted as, of mislabelled and of clean ones (after Liu et al. 2020).

    Shares are None where a group is empty.
    """
    mislabelled = given != true
    shares: dict[str, float | None] = {}
    rates: dict[str, list[float]] = {}
    for one in scored_members(logits, how):
        predicted = one.argmax(1)
        as_given, as_true = predicted == given, predicted == true
        for name, hits, group in (
            ("mislabelled_given", as_given, mislabelled),
            ("mislabelled_true", as_true, mislabelled),
            ("mislabelled_other", ~as_given & ~as_true, mislabelled),
            ("clean_given", as_given, ~mislabelled),
            ("clean_other", ~as_given, ~mislabelled),
        ):
            count = int(group.sum())
            rates.setdefault(name, [])
            if count:
                rates[name].append(float((hits & group).sum()) / count)
    for name, values in rates.items():
        shares[name] = _mean(values) if values else None
    return shares
