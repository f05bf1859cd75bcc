"""What is measured after an epoch and at the end of a run, the same for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from bench.training import evaluation
from bench.training.detection import decision_scores, detection_scores
from bench.training.observe import Observer
from bench.training.selection import EachBest
from common.record import Detection, Final, Scores
from datasets.loader import Loader
from methods.base import Method

KEPT_PROBABILITIES = 2_000_000  # a record keeps the training samples' probabilities up to this many numbers


@dataclass(frozen=True)
class Labelled:
    """Images with the labels that predictions are scored against, on the device.

    labels: [n] those that a user has. true: [n] the true ones; None where they are not known. noisy: `labels` are those
    of a noisy set; False where they are the published, true ones.
    """

    loader: Loader
    labels: Tensor
    true: Tensor | None
    noisy: bool = True


@dataclass(frozen=True)
class Measures:
    """The image sets of a run, and how several members are scored.

    test.labels are what predictions are scored against. further: test sets beside it, by name. top5: the top-5 accuracy
    is measured too. each: what is kept of every network's best epoch; None where that is not asked for.
    """

    train: Labelled
    test: Labelled
    validation: Labelled | None
    scored: str
    batch_size: int
    memorisation_every: int
    further: Mapping[str, Labelled] = field(default_factory=dict)
    top5: bool = False
    each: EachBest | None = None


Written: TypeAlias = dict[str, Any]
"""The curves of a run that goes on; at its end they are `common.record.Curves`."""


@dataclass(frozen=True)
class End:
    """The parts of a record that are known after the last epoch."""

    final: Final
    detection: Detection


Predictions = dict[str, Tensor]  # [M, n, K] logits of one state of the method, by what they are of
TRAIN, TEST = "train", "test"


def _append(curves: Written, name: str, value: Any) -> None:
    curves.setdefault(name, []).append(value)


def after_epoch(
    method: Method, measures: Measures, curves: Written, epoch: int, epochs: int, seen: Mapping[str, Any]
) -> Predictions:
    """Add one epoch to `curves`; memorisation, where the truth is known, every few epochs and at the last.

    Returns the predictions that `at_the_end` needs, as far as they were made.
    """
    _append(curves, "epoch", epoch)
    for name in ("learning_rate", "train_loss", "train_accuracy"):
        _append(curves, name, seen[name])
    for name, values in seen["observed"].items():
        part = curves.setdefault("observed", {}).setdefault(name, {key: [] for key in ("epoch", *values)})
        for key, value in {"epoch": epoch, **values}.items():
            part[key].append(value)
    made = _test(method, measures, curves)
    if measures.validation is not None:
        validation = _validate(method, measures, measures.validation, curves)
        if measures.each is not None and measures.validation.true is not None:
            measures.each.see(epoch, validation, measures.validation.true, made[TEST])
    train = measures.train
    if train.true is not None and (epoch % measures.memorisation_every == 0 or epoch == epochs):
        logits = made[TRAIN] = evaluation.predictions(method, train.loader, measures.batch_size)
        shares = evaluation.memorisation(logits, train.labels, train.true, measures.scored)
        for name, value in {"epoch": epoch, **shares}.items():
            curves.setdefault("memorisation", {}).setdefault(name, []).append(value)
    return made


def _test(method: Method, measures: Measures, curves: Written) -> Predictions:
    how, labels = measures.scored, measures.test.labels
    logits = evaluation.predictions(method, measures.test.loader, measures.batch_size)
    made = {TEST: logits}
    _append(curves, "test_accuracy", evaluation.accuracy(logits, labels, how))
    _append(curves, "test_nll", evaluation.negative_log_likelihood(logits, labels, how))
    if len(logits) > 1:
        _append(curves, "member_test_accuracy", [evaluation.accuracy(one[None], labels, "first") for one in logits])
        _append(curves, "ensemble_test_accuracy", evaluation.accuracy(logits, labels, "ensemble"))
    if measures.top5:
        _append(curves, "test_top5", evaluation.top_accuracy(logits, labels, how))
    for name, further in measures.further.items():
        logits = made[_further_key(name)] = evaluation.predictions(method, further.loader, measures.batch_size)
        _append(curves, f"{name}_accuracy", evaluation.accuracy(logits, further.labels, how))
        if measures.top5:
            _append(curves, f"{name}_top5", evaluation.top_accuracy(logits, further.labels, how))
    return made


def _further_key(name: str) -> str:
    """What the predictions on a further test set are called: a name that no other set has."""
    return f"further {name}"


def _validate(method: Method, measures: Measures, held_out: Labelled, curves: Written) -> Tensor:
    logits = evaluation.predictions(method, held_out.loader, measures.batch_size)
    if held_out.noisy:
        accuracy = evaluation.accuracy(logits, held_out.labels, measures.scored)
        _append(curves, "noisy_validation_accuracy", accuracy)
    if held_out.true is not None:
        _append(curves, "clean_validation_accuracy", evaluation.accuracy(logits, held_out.true, measures.scored))
    return logits


def _predicted_matrix(predicted: Tensor, true: Tensor, num_classes: int) -> list[list[float]]:
    """[K, K] how the training samples of each true class are predicted, rows summing to one."""
    table = evaluation.confusion(predicted, true, num_classes)
    return (table / table.sum(1, keepdim=True).clamp_min(1)).tolist()


def at_the_end(
    method: Method, measures: Measures, observer: Observer, made: Mapping[str, Tensor]
) -> tuple[End, dict[str, np.ndarray]]:
    """The record's parts that are known at the end, and the per-sample arrays of the .npz beside it.

    made: what `after_epoch` returned after the last epoch; only what is missing there is predicted now. Where the true
    labels are not known, there is no array `true`, and `detection` is empty.
    """
    train, test = measures.train, measures.test

    def logits_of(key: str, images: Labelled) -> Tensor:
        known = made.get(key)
        return evaluation.predictions(method, images.loader, measures.batch_size) if known is None else known

    logits = logits_of(TEST, test)
    final = evaluation.final_scores(logits, test.labels, measures.scored)
    if measures.top5:
        final["test_top5"] = evaluation.top_accuracy(logits, test.labels, measures.scored)
    if measures.further:
        final["further_tests"] = {
            name: _further(logits_of(_further_key(name), one), measures, one) for name, one in measures.further.items()
        }
    ensemble = logits.mean(0)
    confidence, test_predicted = ensemble.softmax(1).max(1)
    train_logits = logits_of(TRAIN, train).mean(0)
    on_train = train_logits.argmax(1)
    with evaluation.evaluating(method):
        own = method.clean_scores()
    arrays = {
        "given": train.labels,
        "predicted": on_train,
        "given_probability_last": observer.probability_last,
        "given_probability_mean": observer.probability_mean(),
        "test_true": test.labels,
        "test_predicted": test_predicted,
        "test_confidence": confidence,
        **{f"observed_{name}": values for name, values in observer.last.items()},
    }
    if train.true is not None:
        arrays["true"] = train.true
        final["predicted_matrix"] = _predicted_matrix(on_train, train.true, logits.shape[-1])
    if own is not None:
        arrays["own_score"] = own.float()
    if train_logits.numel() <= KEPT_PROBABILITIES:
        arrays["train_probability"] = train_logits.softmax(1).half()
    plain = {name: _array(values) for name, values in arrays.items()}
    return End(final, _detection(plain)), plain


def _further(logits: Tensor, measures: Measures, test: Labelled) -> Scores:
    """What a record says of a test set beside the first."""
    scores: Scores = {"test_accuracy": evaluation.accuracy(logits, test.labels, measures.scored)}
    if measures.top5:
        scores["test_top5"] = evaluation.top_accuracy(logits, test.labels, measures.scored)
    return scores


def _detection(arrays: Mapping[str, np.ndarray]) -> Detection:
    """The record's `detection` part; empty where nobody knows which labels are wrong."""
    if "true" not in arrays:
        return {}
    mislabelled = arrays["given"] != arrays["true"]
    detection: Detection = {
        "given_label_last": detection_scores(arrays["given_probability_last"], mislabelled),
        "given_label_mean": detection_scores(arrays["given_probability_mean"], mislabelled),
    }
    if "own_score" in arrays:
        detection["own"] = detection_scores(arrays["own_score"], mislabelled)
    if "observed_selected" in arrays:
        detection["decision"] = decision_scores(arrays["observed_selected"] >= 0.5, mislabelled)
    return detection


def _array(values: Tensor) -> np.ndarray:
    array = values.detach().cpu().numpy()
    return array.astype(np.int16 if array.dtype == np.int64 else array.dtype)


def thumbnails(arrays: Mapping[str, np.ndarray], loader: Loader, each: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the samples worth showing, and their pixels [m, H, W, C] uint8 (larger images are thinned out).

    The most suspicious, the most wrongly suspected (clean ones of least probability) and the first of each class. Where
    the true labels are not known, none is wrongly suspected, and the classes are the given ones.
    """
    score = arrays.get("own_score", arrays["given_probability_mean"]).astype(np.float64)
    classes = arrays.get("true", arrays["given"])
    order = np.argsort(score, kind="stable")
    wrongly = order[(arrays["given"] == classes)[order]][: each if "true" in arrays else 0]
    first = [np.flatnonzero(classes == label)[0] for label in np.unique(classes)[:each]]
    chosen = np.unique(np.concatenate([order[:each], wrongly, np.asarray(first, dtype=np.int64)]))
    return chosen, loader.thumbnails(chosen)
