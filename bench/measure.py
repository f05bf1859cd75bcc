"""What is measured after an epoch and at the end of a run, the same for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from bench import evaluation
from bench.detection import decision_scores, detection_scores
from bench.observe import Observer
from datasets.loader import Loader
from methods.base import Method

LAST_EPOCHS = 10
KEPT_PROBABILITIES = 2_000_000  # a record keeps the training samples' probabilities up to this many numbers


@dataclass(frozen=True)
class Labelled:
    """Images with the labels that predictions are scored against, on the device."""

    loader: Loader
    labels: Tensor
    true: Tensor


@dataclass(frozen=True)
class Measures:
    """The image sets of a run, and how several members are scored."""

    train: Labelled
    test: Labelled
    validation: Labelled | None
    scored: str
    batch_size: int
    memorisation_every: int


Curves = dict[str, Any]


def _append(curves: Curves, name: str, value: Any) -> None:
    curves.setdefault(name, []).append(value)


def after_epoch(
    method: Method, measures: Measures, curves: Curves, epoch: int, epochs: int, seen: Mapping[str, Any]
) -> None:
    """Add one epoch to `curves`. Memorisation is measured every few epochs and at the last."""
    how = measures.scored
    _append(curves, "epoch", epoch)
    for name in ("learning_rate", "train_loss", "train_accuracy"):
        _append(curves, name, seen[name])
    for name, values in seen["observed"].items():
        part = curves.setdefault("observed", {}).setdefault(name, {"epoch": [], "clean": [], "mislabelled": []})
        for key, value in {"epoch": epoch, **values}.items():
            part[key].append(value)
    logits = evaluation.predictions(method, measures.test.loader, measures.batch_size)
    _append(curves, "test_accuracy", evaluation.accuracy(logits, measures.test.true, how))
    _append(curves, "test_nll", evaluation.negative_log_likelihood(logits, measures.test.true, how))
    if len(logits) > 1:
        _append(
            curves,
            "member_test_accuracy",
            [evaluation.accuracy(one[None], measures.test.true, "first") for one in logits],
        )
        _append(curves, "ensemble_test_accuracy", evaluation.accuracy(logits, measures.test.true, "ensemble"))
    if measures.validation is not None:
        logits = evaluation.predictions(method, measures.validation.loader, measures.batch_size)
        _append(curves, "noisy_validation_accuracy", evaluation.accuracy(logits, measures.validation.labels, how))
        _append(curves, "clean_validation_accuracy", evaluation.accuracy(logits, measures.validation.true, how))
    if epoch % measures.memorisation_every == 0 or epoch == epochs:
        logits = evaluation.predictions(method, measures.train.loader, measures.batch_size)
        found = evaluation.memorisation(logits, measures.train.labels, measures.train.true, how)
        for name, value in {"epoch": epoch, **found}.items():
            curves.setdefault("memorisation", {}).setdefault(name, []).append(value)


def selections(curves: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The test accuracy that each selection rule of the design reports; ties go to the earliest epoch."""
    accuracy = curves["test_accuracy"]
    count = min(LAST_EPOCHS, len(accuracy))
    found = {
        "last": {"epoch": len(accuracy), "test_accuracy": accuracy[-1]},
        "last_mean": {"epochs": count, "test_accuracy": sum(accuracy[-count:]) / count},
        "best_test": _best(accuracy, accuracy),
    }
    for rule in ("noisy_validation", "clean_validation"):
        if f"{rule}_accuracy" in curves:
            found[rule] = _best(curves[f"{rule}_accuracy"], accuracy)
    return found


def _best(by: list[float], accuracy: list[float]) -> dict[str, Any]:
    position = max(range(len(by)), key=by.__getitem__)
    return {"epoch": position + 1, "test_accuracy": accuracy[position]}


def _predicted_matrix(predicted: Tensor, true: Tensor, num_classes: int) -> list[list[float]]:
    """[K, K] how the training samples of each true class are predicted, rows summing to one."""
    table = evaluation.confusion(predicted, true, num_classes)
    return (table / table.sum(1, keepdim=True).clamp_min(1)).tolist()


def at_the_end(method: Method, measures: Measures, observer: Observer) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record's `final` and `detection` parts, and the per-sample arrays of the .npz beside it."""
    train, test = measures.train, measures.test
    logits = evaluation.predictions(method, test.loader, measures.batch_size)
    final = evaluation.final_scores(logits, test.true, measures.scored)
    ensemble = logits.mean(0)
    confidence, test_predicted = ensemble.softmax(1).max(1)
    train_logits = evaluation.predictions(method, train.loader, measures.batch_size).mean(0)
    on_train = train_logits.argmax(1)
    final["predicted_matrix"] = _predicted_matrix(on_train, train.true, logits.shape[-1])
    with evaluation.evaluating(method):
        own = method.clean_scores()
    arrays = {
        "given": train.labels,
        "true": train.true,
        "predicted": on_train,
        "given_probability_last": observer.probability_last,
        "given_probability_mean": observer.probability_mean(),
        "test_true": test.true,
        "test_predicted": test_predicted,
        "test_confidence": confidence,
        **{f"observed_{name}": values for name, values in observer.last.items()},
    }
    if own is not None:
        arrays["own_score"] = own.float()
    if train_logits.numel() <= KEPT_PROBABILITIES:
        arrays["train_probability"] = train_logits.softmax(1).half()
    plain = {name: _array(values) for name, values in arrays.items()}
    mislabelled = plain["given"] != plain["true"]
    detection: dict[str, Any] = {
        "given_label_last": detection_scores(plain["given_probability_last"], mislabelled),
        "given_label_mean": detection_scores(plain["given_probability_mean"], mislabelled),
    }
    if own is not None:
        detection["own"] = detection_scores(plain["own_score"], mislabelled)
    if "observed_selected" in plain:
        detection["decision"] = decision_scores(plain["observed_selected"] >= 0.5, mislabelled)
    return {"final": final, "detection": detection}, plain


def _array(values: Tensor) -> np.ndarray:
    found = values.detach().cpu().numpy()
    return found.astype(np.int16 if found.dtype == np.int64 else found.dtype)


def thumbnails(arrays: Mapping[str, np.ndarray], pixels: np.ndarray, each: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the samples worth showing, and their pixels [m, H, W, C] uint8 (larger images are thinned out).

    The most suspicious, the most wrongly suspected (clean ones of least probability) and the first of each class.
    """
    score = arrays.get("own_score", arrays["given_probability_mean"]).astype(np.float64)
    clean = arrays["given"] == arrays["true"]
    order = np.argsort(score, kind="stable")
    wrongly = order[clean[order]][:each]
    first = [np.flatnonzero(arrays["true"] == label)[0] for label in np.unique(arrays["true"])[:each]]
    chosen = np.unique(np.concatenate([order[:each], wrongly, np.asarray(first, dtype=np.int64)]))
    stride = max(1, pixels.shape[1] // 64)
    return chosen, np.ascontiguousarray(pixels[chosen][:, ::stride, ::stride])
