"""The check of a noise specification, and the noisy labels of a data set.

Noisy labels are a function of (clean labels, noise specification, seed) alone, for instance-dependent noise also of the
images: drawn for the whole official training set from raw PCG64 words, whatever method, subset or machine uses them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from common.errors import unknown
from common.files import expanded
from datasets import cifar_n, noise_draw, noise_files, noise_instance, noise_maps
from datasets.base import DataError, DataSet, FloatArray, Images, IntArray
from datasets.noise_models import NOISE_MODELS, NoiseInfo, info, title
from datasets.plugin import AddedNoise, NoisePlugin
from datasets.randomness import derive_seed

__all__ = [
    "NOISE_MODELS", "NoiseInfo", "NoisyLabels", "add", "check_noise", "info", "make_noise", "resolve_options", "title",
]  # fmt: skip

_added: dict[str, AddedNoise] = {}


class Described(Protocol):
    """What checking needs to know of a data set: both DataSetInfo and DataSet have it."""

    @property
    def name(self) -> str: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def num_train(self) -> int: ...
    @property
    def asymmetric_map(self) -> Mapping[int, int] | None: ...
    @property
    def superclass(self) -> tuple[int, ...] | None: ...
    @property
    def own_labels(self) -> bool: ...
    @property
    def truth(self) -> bool: ...


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


def add(plugin: NoisePlugin, path: Path) -> None:
    """Register a noise model that the plug-in file `path` declares. Raises DataError where its name is taken."""
    name = plugin.info.name
    if name in NOISE_MODELS and (name not in _added or _added[name].path != path):
        owner = _added[name].path if name in _added else "a built-in noise model"
        raise DataError(f"{path}: noise name {name!r} is taken by {owner}")
    NOISE_MODELS[name], _added[name] = plugin.info, AddedNoise(plugin, path)


def _check_option(model: str, key: str, value: Any) -> Any:
    if model in _added:
        return _added[model].option(key, value)
    choices = {"sampling": list(noise_draw.SAMPLINGS), "pixels": list(noise_instance.PIXELS)}.get(key)
    if choices is not None and value not in choices:
        raise DataError(f"noise {model!r}: option {key!r} = {value!r} (accepted: {', '.join(choices)})")
    if key == "file" and not (isinstance(value, str) and value):
        raise DataError(f"noise {model!r}: option 'file' must name a file")
    if key == "key" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # a column that pandas has numbered
    if key == "key" and not (value is None or isinstance(value, str)):
        raise DataError(f"noise {model!r}: option 'key' = {value!r}: must be a name")
    if key == "std":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.001 <= value <= 10.0:
            raise DataError(f"noise {model!r}: option 'std' = {value!r}: must be a number in [0.001, 10]")
        return float(value)
    return value


def _read_file(dataset: Described, model: str, options: Mapping[str, Any]) -> FloatArray | IntArray:
    path = expanded(options["file"])
    if model == "matrix":
        return noise_files.read_matrix(path, dataset.num_classes)
    return noise_files.read_labels(path, options["key"], dataset.num_train, dataset.num_classes)


def _content_hash(content: FloatArray | IntArray) -> str:
    return hashlib.sha256(content.astype(content.dtype.newbyteorder("<")).tobytes()).hexdigest()


def resolve_options(dataset: Described, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a model: defaults overlaid with `options`; where it reads a file, also `sha256` of its content.

    So a resolved specification changes with what the file holds. Options that name a `sha256` already must agree with
    the file. Raises DataError for unknown options, values that are not accepted, and files that cannot be used.
    """
    declared = info(model).options
    accepted = [*declared, "sha256"] if "file" in declared else [*declared]
    for key in options:
        if key not in accepted:
            raise unknown("option", key, declared, f"noise {model!r}", error=DataError)
    resolved = {key: _check_option(model, key, options.get(key, default)) for key, default in declared.items()}
    if "file" in declared:
        resolved["sha256"] = _content_hash(_read_file(dataset, model, resolved))
        if options.get("sha256", resolved["sha256"]) != resolved["sha256"]:
            raise DataError(f"{resolved['file']}: has changed since the run was planned (other content)")
    return resolved


def _check_rate(model: str, rate: float) -> None:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 <= rate <= 1.0:
        raise DataError(f"noise {model!r}: rate = {rate!r}: must be a number in [0, 1]")
    if not info(model).takes_rate and rate != 0.0:
        raise DataError(f"noise {model!r} takes no rate: leave it out or give 0 (given: {rate!r})")


def _check_needs(dataset: Described, model: str) -> None:
    needs = info(model).needs
    if not dataset.truth and model != "own":
        raise DataError(
            f"noise {model!r}: the true labels of {dataset.name!r} are not known, so only its own noise can be used "
            "(accepted: own)"
        )
    if info(model).dataset not in (None, dataset.name):
        raise DataError(f"noise {model!r} exists for data set {info(model).dataset!r}, not for {dataset.name!r}")
    if "own_labels" in needs and not dataset.own_labels:
        raise DataError(f"noise {model!r}: data set {dataset.name!r} comes with true labels only (the model 'clean')")
    if "asymmetric_map" in needs and dataset.asymmetric_map is None:
        raise DataError(f"noise {model!r}: data set {dataset.name!r} has no map of look-alike classes")
    if "superclass" in needs and dataset.superclass is None:
        raise DataError(f"noise {model!r}: data set {dataset.name!r} has no superclasses")
    if "blocks_of_five" in needs and dataset.num_classes % noise_maps.BLOCK:
        raise DataError(
            f"noise {model!r}: {dataset.name!r} has {dataset.num_classes} classes, which make no blocks of five"
        )


def _target(dataset: Described, model: str, seed: int) -> IntArray | None:
    """The target map of the models that have one."""
    if model == "asymmetric":
        return noise_maps.from_map(dataset.num_classes, dataset.asymmetric_map or {})
    if model == "asymmetric_block_of_five":
        return noise_maps.next_in_block(dataset.num_classes)
    if model == "asymmetric_superclass":
        return noise_maps.next_in_superclass(dataset.superclass or ())
    if model == "asymmetric_random_pair":
        return noise_maps.random_pairs(dataset.num_classes, seed)
    if model == "pair_flip":
        return noise_maps.next_class(dataset.num_classes)
    return None


def transition(
    dataset: Described, model: str, rate: float, options: Mapping[str, Any], seed: int = 0
) -> FloatArray | None:
    """[C, C] float64, rows: true class; None where it depends on the images or is only known by counting.

    options: resolved. seed: that of the noise stream (only `asymmetric_random_pair` looks at it).
    """
    classes = dataset.num_classes
    if model in _added:
        return _added[model].matrix(classes, rate, options)
    target = _target(dataset, model, seed)
    if target is not None:
        return noise_maps.map_matrix(target, rate)
    if model == "clean":
        return np.eye(classes)
    if model == "symmetric":
        return noise_maps.symmetric_matrix(classes, rate)
    if model == "symmetric_excluding":
        return noise_maps.symmetric_excluding_matrix(classes, rate)
    if model == "asymmetric_in_place":
        return noise_maps.in_place_matrix(classes, dataset.asymmetric_map or {}, rate)
    if model == "matrix":
        return _read_file(dataset, model, options).astype(np.float64)
    return None


def _warnings(
    setting: str, matrix: FloatArray | None, rate: float, model: str, options: Mapping[str, Any]
) -> tuple[str, ...]:
    hopeless = "the task cannot be learnt from these labels"
    found = []
    if matrix is not None and len(lost := noise_maps.unlearnable_classes(matrix)):
        share = f"{len(lost)} of {len(matrix)} classes carry a wrong label at least as often as the right one"
        found.append(f"{setting}: {share}: {hopeless if len(lost) == len(matrix) else 'these cannot be learnt'}")
    if model == "instance_dependent":
        mean = noise_instance.mean_flip_rate(rate, options["std"])
        if mean >= 0.5:
            found.append(f"{setting}: at least half of the labels are wrong, like images in like ways: {hopeless}")
        if abs(mean - rate) > 0.005:
            found.append(f"{setting}: flips {100.0 * mean:.1f}% of the labels: the normal is truncated to [0, 1]")
    return tuple(found)


def check_noise(dataset: Described, model: str, rate: float, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Check a specification without data (files it names are read). Returns warnings, one line each.

    Raises DataError: unknown model or option, rate outside [0, 1], a data set that lacks what the model needs, a file
    that cannot be used.
    """
    _check_rate(model, rate)
    _check_needs(dataset, model)
    resolved = resolve_options(dataset, model, options)
    matrix = transition(dataset, model, rate, resolved)
    return _warnings(title(model, rate, resolved), matrix, rate, model, resolved)


def stream_seed(dataset: Described, model: str, rate: float, options: Mapping[str, Any], seed: int) -> int:
    """The seed of the noise stream: from the run's seed, the data set's name and the specification (no paths)."""
    kept = {key: value for key, value in options.items() if key not in ("file", "key")}
    specification = {"model": model, "options": kept, "rate": float(rate), "version": info(model).version}
    canonical = json.dumps(specification, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return derive_seed(seed, dataset.name, canonical, "noise")


def _draw(
    dataset: DataSet, model: str, rate: float, options: Mapping[str, Any], stream: int
) -> tuple[IntArray, FloatArray | None]:
    """Noisy labels [N], and the expected matrix where there is one."""
    true, classes = dataset.train.labels, dataset.num_classes
    matrix = transition(dataset, model, rate, options, stream)
    if model in _added:
        return _added[model].draw(dataset, rate, options, stream), matrix
    if model == "clean":
        return true.copy(), matrix
    if model == "labels_file":
        if dataset.truth:
            noise_files.check_truth(expanded(options["file"]), true)
        return _read_file(dataset, model, options).astype(np.int64), None
    if model == "matrix":
        assert matrix is not None
        return noise_draw.from_matrix(true, matrix, stream), matrix
    if model == "asymmetric_in_place":
        return noise_draw.in_place(true, dataset.asymmetric_map or {}, rate, stream), matrix
    if model == "own":
        assert dataset.given is not None
        return dataset.given.copy(), None
    if model in cifar_n.LABELS:
        return cifar_n.labels(dataset, model), None
    if model == "instance_dependent":
        if not isinstance(dataset.train, Images):
            raise DataError(f"noise {model!r} needs images in memory; those of {dataset.name!r} are files")
        scale = noise_instance.PIXELS[options["pixels"]]
        return noise_instance.draw(dataset.train.pixels, true, classes, rate, options["std"], scale, stream)
    chosen = noise_draw.chosen_rows(true, rate, options["sampling"], stream)
    target = _target(dataset, model, stream)
    if target is not None:
        return np.where(chosen, target[true], true), matrix
    draw = noise_draw.symmetric if model == "symmetric" else noise_draw.symmetric_excluding
    return draw(true, classes, chosen, stream), matrix


def make_noise(dataset: DataSet, model: str, rate: float, options: Mapping[str, Any], seed: int) -> NoisyLabels:
    """The noisy labels of the whole official training set. Raises DataError as `check_noise` does."""
    warnings = check_noise(dataset, model, rate, options)
    resolved = resolve_options(dataset, model, options)
    stream = stream_seed(dataset, model, rate, resolved, seed)
    true, classes = dataset.train.labels, dataset.num_classes
    labels, expected = _draw(dataset, model, rate, resolved, stream)
    fingerprint = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
    if not dataset.truth:
        return NoisyLabels(labels, fingerprint, None, None, None, None, None, warnings)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (true, labels), 1.0)
    matrix = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    if expected is None:
        expected = matrix
        warnings = (*warnings, *_warnings(title(model, rate, resolved), matrix, rate, model, resolved))
    share = counts.sum(axis=1) / len(true)
    if model == "instance_dependent":
        expected_rate = noise_instance.mean_flip_rate(rate, resolved["std"])
    else:
        expected_rate = float(share @ (1.0 - np.diag(expected)))
    expected_rate = round(expected_rate, 12)
    return NoisyLabels(
        labels=labels,
        fingerprint=fingerprint,
        nominal_rate=float(rate) if info(model).takes_rate else expected_rate,
        actual_rate=float(np.mean(labels != true)),
        expected_rate=expected_rate,
        matrix=matrix,
        expected_matrix=expected,
        warnings=warnings,
    )
