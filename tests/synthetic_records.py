"""Plausible records without training, for tests of the store, the frame and the reports.

`make_store(root, methods, settings, seeds)` writes records, .npz files and a plan as a finished suite would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.record import Record
from results.record import FORMAT, PROTOCOL, address
from results.store import Store

Arrays = dict[str, NDArray[Any]]

METHODS = ("cross_entropy", "co_teaching", "elr", "car")
SETTINGS = (("symmetric", 0.5), ("asymmetric", 0.4))

# name -> (title, share of the wrong labels memorised at the end, final accuracy at rate 0.5, privileges, networks)
_TRAITS: dict[str, tuple[str, float, float, tuple[str, ...], int]] = {
    "cross_entropy": ("Cross-entropy", 0.90, 0.62, (), 1),
    "co_teaching": ("Co-teaching", 0.15, 0.86, ("ensemble", "noise_rate"), 2),
    "elr": ("ELR", 0.20, 0.84, (), 1),
    "car": ("CAR (NAL code, beta > 0)", 0.18, 0.85, (), 1),
    "gce": ("GCE", 0.30, 0.80, (), 1),
    "mixup": ("mixup", 0.60, 0.74, ("mixup",), 1),
}
_SIDE = 8


def dataset_classes(dataset: str) -> int:
    return {"cifar100": 100}.get(dataset, 10)


def make_spec(
    method: str,
    model: str,
    rate: float,
    seed: int,
    *,
    dataset: str = "digits",
    epochs: int = 20,
    protocol: int = PROTOCOL,
    options: dict[str, Any] | None = None,
    **override: Any,
) -> dict[str, Any]:
    """A complete specification as the harness would plan it; `override` replaces top-level keys."""
    return {
        "protocol": protocol,
        "dataset": {
            "name": dataset,
            "version": 1,
            "subset": None,
            "training_rows": None,
            "validation": {"source": "inside", "size": 0.1},
        },
        "noise": {"model": model, "rate": rate, "options": options or {}, "version": 1},
        "method": {"name": method, "version": 1, "hyper": {"momentum": 0.9} if method in ("elr", "car") else {}},
        "network": "digits_cnn",
        "pretrained": False,
        "scored": "network_1",
        "optimizer": {
            "name": "sgd",
            "lr": 0.05,
            "momentum": 0.9,
            "nesterov": False,
            "weight_decay": 0.0005,
            "clip_norm": None,
        },
        "schedule": {"name": "cosine", "minimum": 0.0, "warmup": 0, "update": "epoch"},
        "epochs": epochs,
        "batch_size": 64,
        "augmentation": {"crop": 0, "flip": False},
        "precision": "fp32",
        "threads": 1,
        "noise_rate_error": 0.0,
        "memorisation_every": 1,
        "seed": seed,
        **override,
    }


def noise_title(model: str, rate: float) -> str:
    return "clean" if model == "clean" else f"{model.replace('_', ' ')} {100 * rate:g}%"


def _rounded(values: Any) -> list[Any]:
    return [None if value is None else round(float(value), 6) for value in values]


def _labels(spec: dict[str, Any], count: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    classes, noise = dataset_classes(spec["dataset"]["name"]), spec["noise"]
    true = rng.integers(0, classes, count)
    wrong = rng.random(count) < noise["rate"]
    other = rng.integers(0, classes, count) if noise["model"] == "symmetric" else (true + 1) % classes
    return true, np.where(wrong, other, true)


def _confusion(true: NDArray[Any], predicted: NDArray[Any], classes: int) -> NDArray[Any]:
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (true, predicted), 1)
    return counts


def make_record(spec: dict[str, Any], *, size: int = 120, shift: float = 0.0) -> tuple[Record, Arrays]:
    """A record and its arrays that follow from the specification alone; `shift` moves all accuracies."""
    method, rate, epochs = spec["method"]["name"], spec["noise"]["rate"], spec["epochs"]
    title, memorised_end, at_half, privileges, networks = _TRAITS.get(method, (method, 0.4, 0.75, (), 1))
    noise_key = address({"data": spec["dataset"]["name"], "noise": spec["noise"], "seed": spec["seed"]})
    labels_rng = np.random.default_rng(int(noise_key[:12], 16))
    rng = np.random.default_rng(int(address(spec)[:12], 16))
    classes = dataset_classes(spec["dataset"]["name"])
    true, given = _labels(spec, size, labels_rng)
    mislabelled = true != given
    seed_effect = float(labels_rng.normal(0, 0.01))

    end = np.clip(0.97 - (0.97 - at_half) * rate / 0.5 + seed_effect + rng.normal(0, 0.004) + shift, 0.02, 0.995)
    peak = np.clip(end + 0.12 * memorised_end, 0.02, 0.995)
    clock = np.linspace(1 / epochs, 1, epochs)
    rise, fall = 1 - np.exp(-7 * clock), np.clip((clock - 0.4) / 0.6, 0, 1)
    accuracy = np.clip(peak * rise - (peak - end) * fall + rng.normal(0, 0.004, epochs), 0, 1)
    accuracy = np.round(accuracy * 400) / 400
    memorised = np.clip(memorised_end * clock**2 + 0.03 * rise, 0, 1)
    noisy_validation = np.clip(accuracy * (1 - rate) + 0.02, 0, 1)
    clean_given = np.clip(0.98 * rise, 0, 1)
    has_wrong = bool(mislabelled.any())

    curves: dict[str, Any] = {
        "epoch": list(range(1, epochs + 1)),
        "learning_rate": _rounded(0.05 * 0.5 * (1 + np.cos(np.pi * (clock - clock[0])))),
        "train_loss": _rounded(2.2 * (1 - 0.7 * rise)),
        "train_accuracy": _rounded((1 - rate) * rise + rate * memorised),
        "test_accuracy": _rounded(accuracy),
        "test_nll": _rounded(2.3 - 2 * accuracy),
        "noisy_validation_accuracy": _rounded(noisy_validation),
        "clean_validation_accuracy": _rounded(np.clip(accuracy + 0.003, 0, 1)),
        "memorisation": {
            "epoch": list(range(1, epochs + 1)),
            "mislabelled_given": _rounded(memorised) if has_wrong else [None] * epochs,
            "mislabelled_true": _rounded(0.9 * rise * (1 - memorised)) if has_wrong else [None] * epochs,
            "mislabelled_other": (
                _rounded(1 - memorised - 0.9 * rise * (1 - memorised)) if has_wrong else [None] * epochs
            ),
            "clean_given": _rounded(clean_given),
            "clean_other": _rounded(1 - clean_given),
        },
        "observed": {},
    }
    if networks > 1:
        members = np.stack([accuracy - 0.005, accuracy - 0.01], axis=1).clip(0, 1)
        curves["member_test_accuracy"] = [_rounded(row) for row in members]
        curves["ensemble_test_accuracy"] = _rounded(accuracy)
    if method in ("car", "nal"):
        wrong_confidence = 0.9 - 0.6 * rise * (1 - 0.5 * fall)
        curves["observed"]["confidence"] = {
            "epoch": list(range(1, epochs + 1)),
            "clean": _rounded(0.95 - 0.1 * rise),
            "mislabelled": _rounded(wrong_confidence) if has_wrong else [None] * epochs,
        }

    probability = np.clip(np.where(mislabelled, 0.1 + 0.8 * memorised_end, 0.93) + rng.normal(0, 0.08, size), 0, 1)
    average = np.clip(np.where(mislabelled, 0.1 + 0.3 * memorised_end, 0.85) + rng.normal(0, 0.12, size), 0, 1)
    predicted = np.where(rng.random(size) < (0.98 * ~mislabelled + memorised_end * mislabelled), given, true)
    test_true = np.arange(200) % classes
    test_predicted = np.where(
        rng.random(200) < accuracy[-1], test_true, (test_true + 1 + rng.integers(0, 3, 200)) % classes
    )
    confidence = np.clip(rng.normal(0.9, 0.08, 200), 1 / classes, 1)
    bins = np.clip((confidence * 15).astype(int), 0, 14)
    counts = np.bincount(bins, minlength=15)
    mean_of = lambda values: _rounded(  # noqa: E731
        np.bincount(bins, weights=values, minlength=15) / np.maximum(counts, 1)
    )
    confusion = _confusion(test_true, test_predicted, classes)
    noise_counts = _confusion(true, given, classes)
    guess_counts = _confusion(true, predicted, classes)

    record: Record = {
        "format": FORMAT,
        "address": address(spec),
        "spec": spec,
        "titles": {
            "method": title,
            "dataset": {"digits": "Digits", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}.get(
                spec["dataset"]["name"], spec["dataset"]["name"]
            ),
            "noise": noise_title(spec["noise"]["model"], rate),
            "network": "Digits CNN",
        },
        "data": {
            "num_train": size,
            "num_validation": size // 10,
            "num_test": 200,
            "num_classes": classes,
            "class_names": [str(name) for name in range(classes)],
        },
        "noise": {
            "fingerprint": address({"labels": given.tolist()}),
            "nominal_rate": rate,
            "actual_rate": float(mislabelled.mean()),
            "train_rate": float(mislabelled.mean()),
            "expected_rate": rate * (1 - 1 / classes) if spec["noise"]["model"] == "symmetric" else rate,
            "matrix": [_rounded(r) for r in noise_counts / np.maximum(noise_counts.sum(1, keepdims=True), 1)],
        },
        "curves": curves,
        "selection": _selection(curves),
        "final": {
            "test_accuracy": curves["test_accuracy"][-1],
            "per_class_accuracy": _rounded(np.diag(confusion) / np.maximum(confusion.sum(1), 1)),
            "confusion": confusion.tolist(),
            "ece": round(0.02 + 0.2 * memorised_end, 6),
            "nll": curves["test_nll"][-1],
            "predicted_matrix": [_rounded(r) for r in guess_counts / np.maximum(guess_counts.sum(1, keepdims=True), 1)],
            "calibration": {
                "confidence": mean_of(confidence),
                "accuracy": mean_of(test_true == test_predicted),
                "count": counts.tolist(),
            },
            "members": [{"test_accuracy": value} for value in curves.get("member_test_accuracy", [[]])[-1]],
            "ensemble": {"test_accuracy": curves["test_accuracy"][-1]} if networks > 1 else None,
        },
        "detection": _detection(method, has_wrong, memorised_end, float(mislabelled.mean())),
        "cost": {"parameters": 61706, "networks": networks, "passes_per_step": float(networks), "steps": 20 * epochs},
        "privileges": list(privileges),
        "execution": {
            "seconds": 3.1 * networks,
            "train_seconds": 2.5 * networks,
            "images_per_second": 9000.0 / networks,
            "peak_memory_mib": 410.0,
            "started": "2026-01-05T10:00:00+00:00",
            "finished": "2026-01-05T10:00:03+00:00",
            "host": "example",
            "device": "cpu",
            "versions": {"torch": "2.13.0"},
            "commit": "0" * 40,
            "resumes": 0,
        },
    }
    arrays: Arrays = {
        "index": rng.permutation(size).astype(np.int64),
        "given": given.astype(np.int16),
        "true": true.astype(np.int16),
        "predicted": predicted.astype(np.int16),
        "given_probability_last": probability.astype(np.float32),
        "given_probability_mean": average.astype(np.float32),
        "test_true": test_true.astype(np.int16),
        "test_predicted": test_predicted.astype(np.int16),
        "test_confidence": confidence.astype(np.float32),
        "thumbnail_rows": np.arange(min(32, size)),
        "thumbnails": rng.integers(0, 256, (min(32, size), _SIDE, _SIDE, 1)).astype(np.uint8),
    }
    if method in ("car", "nal"):
        arrays["own_score"] = arrays["observed_confidence"] = average.astype(np.float32)
    if method == "co_teaching":
        arrays["observed_selected"] = (average > 0.5).astype(np.float32)
    return record, arrays


def _selection(curves: dict[str, Any]) -> dict[str, Any]:
    test, span = curves["test_accuracy"], min(10, len(curves["epoch"]))
    chosen: dict[str, Any] = {
        "last": {"epoch": curves["epoch"][-1], "test_accuracy": test[-1]},
        "last_mean": {"epochs": span, "test_accuracy": round(sum(test[-span:]) / span, 6)},
    }
    for rule, curve in (
        ("best_test", "test_accuracy"),
        ("noisy_validation", "noisy_validation_accuracy"),
        ("clean_validation", "clean_validation_accuracy"),
    ):
        best = int(np.argmax(curves[curve]))
        chosen[rule] = {"epoch": curves["epoch"][best], "test_accuracy": test[best]}
    return chosen


def _detection(method: str, has_wrong: bool, memorised: float, base_rate: float) -> dict[str, Any]:
    def scores(auc: float) -> dict[str, Any]:
        names = {"roc_auc": auc, "average_precision": auc - 0.05, "base_rate": base_rate, "precision_at_k": auc - 0.1}
        return {name: round(value, 6) if has_wrong or name == "base_rate" else None for name, value in names.items()}

    found: dict[str, Any] = {
        "given_label_last": scores(0.95 - 0.4 * memorised),
        "given_label_mean": scores(0.97 - 0.1 * memorised),
    }
    if method in ("car", "nal"):
        found["own"] = scores(0.93)
    if method == "co_teaching":
        found["decision"] = {"precision": 0.91, "recall": 0.9} if has_wrong else {"precision": None, "recall": None}
    return found


def make_plan(
    specs: Iterable[dict[str, Any]],
    *,
    suite: str = "quick",
    purpose: str = "compare",
    titles: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A plan over the specifications, as the harness writes it when a suite starts."""
    cells = []
    for spec in specs:
        method, noise = spec["method"]["name"], spec["noise"]
        default = _TRAITS[method][0] if method in _TRAITS else method
        cells.append(
            {
                "address": address(spec),
                "dataset": spec["dataset"]["name"],
                "noise": noise,
                "method": method,
                "title": (titles or {}).get(method, default),
                "seed": spec["seed"],
                "network": spec["network"],
                "setting": noise_title(noise["model"], noise["rate"]),
                "spec": spec,
            }
        )
    return {
        "format": 1,
        "suite": suite,
        "title": suite.replace("_", " ").title(),
        "purpose": purpose,
        "description": "A synthetic suite.",
        "remark": "",
        "selection": "last",
        "paper": None,
        "trials": {},
        "cells": cells,
    }


def make_specs(
    methods: Sequence[str] = METHODS,
    settings: Sequence[tuple[str, float]] = SETTINGS,
    seeds: Iterable[int] = range(3),
    **options: Any,
) -> list[dict[str, Any]]:
    """Specifications of all methods in all settings, ordered by seed, then setting, then method."""
    return [
        make_spec(method, model, rate, seed, **options)
        for seed in seeds
        for model, rate in settings
        for method in methods
    ]


def make_store(
    root: Path,
    methods: Sequence[str] = METHODS,
    settings: Sequence[tuple[str, float]] = SETTINGS,
    seeds: Iterable[int] = range(3),
    *,
    suite: str = "quick",
    purpose: str = "compare",
    skip: Iterable[tuple[str, str, int]] = (),
    size: int = 120,
    **options: Any,
) -> Store:
    """A store as after a finished suite: records, arrays and the plan.

    `skip` names (method, noise title, seed) that are planned but have no record. `options` go to `make_spec`
    (`dataset=`, `epochs=`, ...).
    """
    store, missing = Store(root), set(skip)
    specs = make_specs(methods, settings, seeds, **options)
    store.write_plan(make_plan(specs, suite=suite, purpose=purpose))
    for spec in specs:
        place = (spec["method"]["name"], noise_title(spec["noise"]["model"], spec["noise"]["rate"]), spec["seed"])
        if place not in missing:
            store.publish(*make_record(spec, size=size))
    return store
