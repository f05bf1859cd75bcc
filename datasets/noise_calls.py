"""What the functions of a noise model give, checked: the content of its file, the expected matrix, the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from common.files import expanded
from datasets import noise_draw, noise_maps
from datasets.base import DataError, DataSet, FloatArray, Images, IntArray
from datasets.noise_contract import Drawn, Facts, NoisePlugin, Options, Uniforms
from datasets.noise_models import NOISE_MODELS

SUM_TOLERANCE = 1e-6


@contextmanager
def told(where: str, origin: Path | None) -> Iterator[None]:
    """Any fault of a plug-in's function as one line; faults of the suite's own are not hidden. Raises DataError."""
    try:
        yield
    except DataError:
        raise
    except Exception as fault:
        if origin is None:
            raise
        raise DataError(f"{where} fails: {type(fault).__name__}: {fault}") from fault


def _place(model: NoisePlugin, function: str) -> tuple[str, Path | None]:
    """What messages call a model's function, and the plug-in that the model is from."""
    origin = NOISE_MODELS.origin(model.name)
    where = f"noise {model.name!r}: {function}"
    return (where if origin is None else f"{origin}: {where}"), origin


def _uniforms(model: NoisePlugin, stream: int) -> Uniforms:
    return Uniforms(stream, () if NOISE_MODELS.origin(model.name) is None else ("plugin",))


def content(model: NoisePlugin, facts: Facts, options: Mapping[str, Any]) -> FloatArray | IntArray:
    """What the file holds that the option `file` names. Raises DataError."""
    assert model.read is not None
    where, origin = _place(model, "read")
    with told(where, origin):
        array: Any = np.asarray(model.read(expanded(options["file"]), options, facts))
    if array.dtype.kind not in "iuf":
        raise DataError(f"{where} gave {array.dtype}, expected numbers")
    numbers: FloatArray | IntArray = array
    return numbers


def with_content(model: NoisePlugin, facts: Facts, options: Options) -> Options:
    """The options that a model's functions are handed: with the content of its file, if it reads one."""
    return options if model.read is None else {**options, "content": content(model, facts, options)}


def expected(model: NoisePlugin, facts: Facts, rate: float, options: Options, stream: int) -> FloatArray | None:
    """[C, C] float64, rows (true class) summing to one; None where it is known only after drawing. Raises DataError.

    options: as `with_content` gives them. stream: the seed of the noise stream.
    """
    classes = facts.num_classes
    if model.target is not None:
        return noise_maps.map_matrix(_target(model, facts, options, stream), rate)
    if model.matrix is not None:
        where, origin = _place(model, "matrix")
        with told(where, origin):
            given: Any = np.asarray(model.matrix(classes, rate, options), dtype=np.float64)
        sums = _checked_matrix(given, classes, where).sum(axis=1)
        normalised: FloatArray = given / sums[:, None]
        return normalised
    if model.expected is None:
        return None
    where, origin = _place(model, "expected")
    with told(where, origin):
        given = np.asarray(model.expected(facts, rate, options), dtype=np.float64)
    return _checked_matrix(given, classes, where)


def _checked_matrix(matrix: FloatArray, classes: int, where: str) -> FloatArray:
    if matrix.shape != (classes, classes):
        raise DataError(f"{where} gave shape {list(matrix.shape)}, expected [{classes}, {classes}]")
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise DataError(f"{where}: entries must be finite and not negative")
    sums = matrix.sum(axis=1)
    if (wrong := np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)).size:
        raise DataError(f"{where}: row {wrong[0]} sums to {sums[wrong[0]]:.6g}; rows (true class) must sum to one")
    return matrix


def _checked_labels(given: Any, count: int, classes: int, where: str) -> IntArray:
    labels = np.asarray(given)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(f"{where} gave {labels.dtype} {list(labels.shape)}, expected whole numbers [{count}]")
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"{where} gave labels from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
    return labels.astype(np.int64)


def _target(model: NoisePlugin, facts: Facts, options: Options, stream: int) -> IntArray:
    assert model.target is not None
    where, origin = _place(model, "target")
    with told(where, origin):
        given = model.target(facts, options, _uniforms(model, stream))
    return _checked_labels(given, facts.num_classes, facts.num_classes, where)


def draw(
    model: NoisePlugin, dataset: DataSet, rate: float, options: Options, stream: int
) -> tuple[IntArray, FloatArray | None]:
    """Noisy labels [N] int64, and the expected matrix where there is one. Raises DataError; arguments as `expected`."""
    true = dataset.train.labels
    if "images" in model.info.needs and not isinstance(dataset.train, Images):
        raise DataError(f"noise {model.name!r} needs images in memory; those of {dataset.name!r} are files")
    matrix = expected(model, dataset, rate, options, stream)
    if model.target is not None:
        chosen = noise_draw.chosen_rows(true, rate, options.get("sampling", "exact"), stream)
        return np.where(chosen, _target(model, dataset, options, stream)[true], true), matrix
    if model.draw is None:
        assert matrix is not None
        return noise_draw.from_matrix(true, matrix, stream), matrix
    where, origin = _place(model, "draw")
    with told(where, origin):
        given: Any = model.draw(dataset, rate, options, _uniforms(model, stream))
    if isinstance(given, Drawn):
        given, matrix = given.labels, _checked_means(np.asarray(given.matrix, np.float64), dataset.num_classes, where)
    return _checked_labels(given, dataset.num_train, dataset.num_classes, where), matrix


def warnings(model: NoisePlugin, rate: float, options: Options) -> list[str]:
    """The model's own warnings, a line each. Raises DataError."""
    where, origin = _place(model, "warnings")
    with told(where, origin):
        return [] if model.warnings is None else [str(line) for line in model.warnings(rate, options)]


def expected_rate(model: NoisePlugin, rate: float, options: Options) -> float | None:
    """The expected share of wrong labels that the model itself names; None: it is that of the matrix."""
    if model.expected_rate is None:
        return None
    where, origin = _place(model, "expected_rate")
    with told(where, origin):
        share = float(model.expected_rate(rate, options))
    if not 0.0 <= share <= 1.0:
        raise DataError(f"{where} gave {share!r}, expected a number in [0, 1]")
    return share


def _checked_means(matrix: FloatArray, classes: int, where: str) -> FloatArray:
    """A matrix that was counted or averaged over samples, so rows of absent classes may be zero."""
    absent = matrix.sum(axis=-1, keepdims=True) == 0
    _checked_matrix(np.where(absent, 1 / classes, matrix), classes, where)
    return matrix
