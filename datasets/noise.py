"""The check of a noise specification, and the noisy labels of a data set.

Noisy labels are a function of (clean labels, noise specification, seed) alone, for instance-dependent noise also of the
images: drawn for the whole official training set from raw PCG64 words, whatever method, subset or machine uses them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.errors import unknown
from datasets import noise_calls, noise_maps
from datasets.base import DataError, DataSet, FloatArray, IntArray
from datasets.noise_contract import Facts, NoiseInfo, NoisePlugin
from datasets.noise_models import NOISE_MODELS, info, title
from datasets.randomness import derive_seed

__all__ = [
    "NOISE_MODELS", "NoiseInfo", "NoisyLabels", "check_noise", "info", "make_noise", "resolve_options", "title",
]  # fmt: skip


@dataclass(frozen=True)
class NoisyLabels:
    """Given labels of the official training set, and what is true of them.

    labels: [N] int64. fingerprint: SHA-256 (hex) of the labels as little-endian int64.
    nominal_rate: the rate of the specification (where the model takes none: the expected rate). actual_rate: share of
    labels that are wrong. expected_rate: the share expected over all draws. matrix, expected_matrix: [C, C] float64,
    rows: true class; `matrix` is counted (rows of absent classes are zero). warnings: one line each.
    Rates and matrices are None where the true classes are not known.
    """

    labels: IntArray
    fingerprint: str
    nominal_rate: float | None
    actual_rate: float | None
    expected_rate: float | None
    matrix: FloatArray | None
    expected_matrix: FloatArray | None
    warnings: tuple[str, ...] = ()


def _content_hash(content: FloatArray | IntArray) -> str:
    return hashlib.sha256(content.astype(content.dtype.newbyteorder("<")).tobytes()).hexdigest()


def resolve_options(facts: Facts, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a model: defaults overlaid with `options`; where it reads a file, also `sha256` of its content.

    So a resolved specification changes with what the file holds. Options that name a `sha256` already must agree with
    the file. Raises DataError for unknown options, values that are not accepted, and files that cannot be used.
    """
    plugin = NOISE_MODELS[model]
    declared = plugin.info
    accepted = [*declared.options, "sha256"] if declared.reads_file else [*declared.options]
    for key in options:
        if key not in accepted:
            raise unknown("option", key, declared.options, f"noise {model!r}", error=DataError)
    resolved = {
        key: declared.option(key).checked(options.get(key, default), f"noise {model!r}: option {key!r}")
        for key, default in declared.defaults.items()
    }
    if declared.reads_file:
        resolved["sha256"] = _content_hash(noise_calls.content(plugin, facts, resolved))
        if options.get("sha256", resolved["sha256"]) != resolved["sha256"]:
            raise DataError(f"{resolved['file']}: has changed since the run was planned (other content)")
    return resolved


def _check_rate(declared: NoiseInfo, rate: float) -> None:
    if not declared.takes_rate and rate != 0.0:
        raise DataError(f"noise {declared.name!r} takes no rate: leave it out or give 0 (given: {rate!r})")


def _check_needs(facts: Facts, declared: NoiseInfo) -> None:
    needs, where = declared.needs, f"noise {declared.name!r}"
    if not facts.truth and declared.needs_truth:
        accepted = ", ".join(model.name for model in NOISE_MODELS if not model.info.needs_truth)
        raise DataError(
            f"{where}: the true labels of {facts.name!r} are not known, so only its own noise can be used "
            f"(accepted: {accepted})"
        )
    if declared.dataset not in (None, facts.name):
        raise DataError(f"{where} exists for data set {declared.dataset!r}, not for {facts.name!r}")
    if "own_labels" in needs and not facts.own_labels:
        clean = next(model.name for model in NOISE_MODELS if model.info.is_clean)
        raise DataError(f"{where}: data set {facts.name!r} comes with true labels only (the model {clean!r})")
    if "asymmetric_map" in needs and facts.asymmetric_map is None:
        raise DataError(f"{where}: data set {facts.name!r} has no map of look-alike classes")
    if "superclass" in needs and facts.superclass is None:
        raise DataError(f"{where}: data set {facts.name!r} has no superclasses")
    if "blocks_of_five" in needs and facts.num_classes % noise_maps.BLOCK:
        raise DataError(f"{where}: {facts.name!r} has {facts.num_classes} classes, which make no blocks of five")


def transition(facts: Facts, model: str, rate: float, options: Mapping[str, Any], seed: int = 0) -> FloatArray | None:
    """[C, C] float64, rows: true class; None where it depends on the images or is only known by counting.

    options: resolved. seed: that of the noise stream, where the matrix depends on it.
    """
    plugin = NOISE_MODELS[model]
    return noise_calls.expected(plugin, facts, rate, noise_calls.with_content(plugin, facts, options), seed)


def _unlearnable(setting: str, matrix: FloatArray) -> list[str]:
    lost = noise_maps.unlearnable_classes(matrix)
    if not len(lost):
        return []
    share = f"{len(lost)} of {len(matrix)} classes carry a wrong label at least as often as the right one"
    return [f"{setting}: {share}: {noise_maps.HOPELESS if len(lost) == len(matrix) else 'these cannot be learnt'}"]


def _warnings(plugin: NoisePlugin, rate: float, options: Mapping[str, Any], matrix: FloatArray | None) -> list[str]:
    setting = title(plugin.name, rate, options)
    told = [] if matrix is None else _unlearnable(setting, matrix)
    return told + [f"{setting}: {line}" for line in noise_calls.warnings(plugin, rate, options)]


def check_noise(facts: Facts, model: str, rate: float, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Check a specification without data (files it names are read). Returns warnings, one line each.

    Raises DataError: unknown model or option, rate outside [0, 1], a data set that lacks what the model needs, a file
    that cannot be used.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 <= rate <= 1.0:
        raise DataError(f"noise {model!r}: rate = {rate!r}: must be a number in [0, 1]")
    plugin = NOISE_MODELS[model]
    _check_rate(plugin.info, rate)
    _check_needs(facts, plugin.info)
    resolved = resolve_options(facts, model, options)
    return tuple(_warnings(plugin, rate, resolved, transition(facts, model, rate, resolved)))


def stream_seed(facts: Facts, model: str, rate: float, options: Mapping[str, Any], seed: int) -> int:
    """The seed of the noise stream: from the run's seed, the data set's name and the specification (no paths)."""
    kept = {key: value for key, value in options.items() if key not in ("file", "key")}
    specification = {"model": model, "options": kept, "rate": float(rate), "version": info(model).version}
    canonical = json.dumps(specification, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return derive_seed(seed, facts.name, canonical, "noise")


def make_noise(dataset: DataSet, model: str, rate: float, options: Mapping[str, Any], seed: int) -> NoisyLabels:
    """The noisy labels of the whole official training set. Raises DataError as `check_noise` does."""
    warnings = check_noise(dataset, model, rate, options)
    plugin = NOISE_MODELS[model]
    resolved = resolve_options(dataset, model, options)
    stream = stream_seed(dataset, model, rate, resolved, seed)
    true, classes = dataset.train.labels, dataset.num_classes
    complete = noise_calls.with_content(plugin, dataset, resolved)
    labels, expected = noise_calls.draw(plugin, dataset, rate, complete, stream)
    fingerprint = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
    if not dataset.truth:
        return NoisyLabels(labels, fingerprint, None, None, None, None, None, warnings)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (true, labels), 1.0)
    matrix = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    if expected is None:
        expected = matrix
        warnings = (*warnings, *_unlearnable(title(model, rate, resolved), matrix))
    share = counts.sum(axis=1) / len(true)
    mean = noise_calls.expected_rate(plugin, rate, resolved)
    expected_rate = round(float(share @ (1.0 - np.diag(expected))) if mean is None else mean, 12)
    return NoisyLabels(
        labels=labels,
        fingerprint=fingerprint,
        nominal_rate=float(rate) if plugin.info.takes_rate else expected_rate,
        actual_rate=float(np.mean(labels != true)),
        expected_rate=expected_rate,
        matrix=matrix,
        expected_matrix=expected,
        warnings=warnings,
    )
