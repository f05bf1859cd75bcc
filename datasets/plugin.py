"""Data sets and noise models that plug-ins add: what they declare, and the check of what their functions return.

A plug-in is a Python file (or an installed module) with a list `DATASETS` of `DataSetPlugin`, a list `NOISE_MODELS` of
`NoisePlugin`, or both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from datasets import noise_draw
from datasets.base import DataError, DataSet, DataSetInfo, FloatArray, Images, ImageSet, IntArray
from datasets.noise_models import NoiseInfo
from datasets.randomness import derive_seed, uniforms

Uniforms: TypeAlias = Callable[[str, int], FloatArray]
"""`uniforms(purpose, count)`: [count] float64, uniform on [0, 1), the same for the same run seed and purpose."""

Options: TypeAlias = Mapping[str, Any]
RESERVED_OPTIONS = ("file", "key", "sha256")  # their values are paths and hashes, which only built-in models handle
NEEDS = ("asymmetric_map", "superclass", "blocks_of_five", "images", "own_labels")
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class DataSetPlugin:
    """A data set: what is known of it, and `load(info, root)`, which returns it (see `datasets.base.assemble`)."""

    info: DataSetInfo
    load: Callable[[DataSetInfo, Path], DataSet]


@dataclass(frozen=True)
class NoisePlugin:
    """A noise model: its declaration and one of two functions, neither of which may draw random numbers of its own.

    matrix: `matrix(num_classes, rate, options)`, the transition matrix [C, C], rows (true class) summing to one; the
    harness draws each label by itself. draw: `draw(dataset, rate, options, uniforms)`, the given labels [N] int64.
    """

    info: NoiseInfo
    matrix: Callable[[int, float, Options], FloatArray] | None = None
    draw: Callable[[DataSet, float, Options, Uniforms], IntArray] | None = None


@dataclass(frozen=True)
class AddedDataSet:
    """A data set with the file that declares it."""

    plugin: DataSetPlugin
    path: Path

    def load(self, root: Path) -> DataSet:
        """The data set, checked against its declaration. Raises DataError naming the file."""
        info, where = self.plugin.info, f"{self.path}: data set {self.plugin.info.name!r}"
        with _told(f"{where}: load"):
            found = self.plugin.load(info, root)
        if not isinstance(found, DataSet):
            raise DataError(f"{where}: load gave {type(found).__name__}, not datasets.base.DataSet")
        for key in ("name", "version", "class_names", "mean", "std"):
            if getattr(found, key) != getattr(info, key):
                raise DataError(f"{where}: {key} is {getattr(found, key)!r}, declared is {getattr(info, key)!r}")
        for part, images, count in (("train", found.train, info.num_train), ("test", found.test, info.num_test)):
            _check_images(images, count, info, f"{where}: {part}")
        return found


def _check_images(images: ImageSet, count: int, info: DataSetInfo, where: str) -> None:
    labels = images.labels
    if len(labels) != count:
        raise DataError(f"{where} has {len(labels)} labels, declared are {count}")
    if labels.dtype != np.int64 or labels.ndim != 1 or labels.min() < 0 or labels.max() >= info.num_classes:
        raise DataError(f"{where}: labels must be int64 from 0 to {info.num_classes - 1}, one for each image")
    if isinstance(images, Images):
        expected = (count, *info.image_shape)
        if images.pixels.dtype != np.uint8 or images.pixels.shape != expected:
            given = f"{images.pixels.dtype} {list(images.pixels.shape)}"
            raise DataError(f"{where}: pixels are {given}, declared are uint8 {list(expected)}")


@dataclass(frozen=True)
class AddedNoise:
    """A noise model with the file that declares it."""

    plugin: NoisePlugin
    path: Path

    def option(self, key: str, value: Any) -> Any:
        """The value of an option, if it is of the default's type. Raises DataError."""
        default = self.plugin.info.options[key]
        if type(default) is float and type(value) is int:
            return float(value)
        if default is not None and type(value) is not type(default):
            expected = type(default).__name__
            raise DataError(f"noise {self.plugin.info.name!r}: option {key!r} = {value!r}: must be of type {expected}")
        return value

    def matrix(self, num_classes: int, rate: float, options: Options) -> FloatArray | None:
        """[C, C] float64, checked; None for a model that draws by itself. Raises DataError naming the file."""
        if self.plugin.matrix is None:
            return None
        where = f"{self.path}: noise {self.plugin.info.name!r}: matrix"
        with _told(where):
            found = np.asarray(self.plugin.matrix(num_classes, rate, options), dtype=np.float64)
        if found.shape != (num_classes, num_classes):
            raise DataError(f"{where} gave shape {list(found.shape)}, expected [{num_classes}, {num_classes}]")
        if not np.isfinite(found).all() or (found < 0).any():
            raise DataError(f"{where}: entries must be finite and not negative")
        sums = found.sum(axis=1)
        if (wrong := np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)).size:
            raise DataError(f"{where}: row {wrong[0]} sums to {sums[wrong[0]]:.6g}; rows (true class) must sum to one")
        normalised: FloatArray = found / sums[:, None]
        return normalised

    def draw(self, dataset: DataSet, rate: float, options: Options, stream: int) -> IntArray:
        """[N] int64: the given labels, checked. Raises DataError naming the file."""
        matrix = self.matrix(dataset.num_classes, rate, options)
        if matrix is not None:
            return noise_draw.from_matrix(dataset.train.labels, matrix, stream)
        where = f"{self.path}: noise {self.plugin.info.name!r}: draw"
        assert self.plugin.draw is not None
        with _told(where):
            drawn = self.plugin.draw(
                dataset, rate, options, lambda purpose, count: uniforms(derive_seed(stream, "plugin", purpose), count)
            )
            found = np.asarray(drawn)
        if found.shape != (dataset.num_train,) or found.dtype.kind not in "iu":
            given = f"{found.dtype} {list(found.shape)}"
            raise DataError(f"{where} gave {given}, expected whole numbers [{dataset.num_train}]")
        if found.min() < 0 or found.max() >= dataset.num_classes:
            raise DataError(
                f"{where} gave labels from {found.min()} to {found.max()}, expected 0 to {dataset.num_classes - 1}"
            )
        return found.astype(np.int64)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Any fault of a plug-in's function as one line. Raises DataError."""
    try:
        yield
    except DataError:
        raise
    except Exception as fault:
        raise DataError(f"{where} fails: {type(fault).__name__}: {fault}") from fault


def check_dataset(entry: Any, where: str) -> DataSetPlugin:
    """An entry of a plug-in's DATASETS. Raises DataError where it is none, or its declaration contradicts itself."""
    if not isinstance(entry, DataSetPlugin) or not isinstance(entry.info, DataSetInfo):
        raise DataError(f"{where}: DATASETS must be a list of datasets.plugin.DataSetPlugin(info, load)")
    info = entry.info
    here = f"{where}: data set {info.name!r}"
    _check_name(info.name, here)
    if not callable(entry.load):
        raise DataError(f"{here}: `load` must be a function load(info, root)")
    if len(info.image_shape) != 3 or not len(info.mean) == len(info.std) == info.image_shape[2]:
        raise DataError(f"{here}: image_shape is (height, width, channels), mean and std have a value per channel")
    if len(info.class_names) != info.num_classes:
        raise DataError(f"{here}: {len(info.class_names)} class_names for num_classes = {info.num_classes}")
    if min(info.num_train, info.num_test) < 1:
        raise DataError(f"{here}: num_train and num_test must be at least 1")
    return entry


def check_noise_model(entry: Any, where: str) -> NoisePlugin:
    """An entry of a plug-in's NOISE_MODELS. Raises DataError where it is none, or contradicts itself."""
    if not isinstance(entry, NoisePlugin) or not isinstance(entry.info, NoiseInfo):
        raise DataError(f"{where}: NOISE_MODELS must be a list of datasets.plugin.NoisePlugin(info, matrix or draw)")
    info = entry.info
    here = f"{where}: noise {info.name!r}"
    _check_name(info.name, here)
    if (entry.matrix is None) == (entry.draw is None) or not callable(entry.matrix or entry.draw):
        raise DataError(f"{here}: give one function, either `matrix` or `draw`")
    if info.takes_rate and "{rate}" not in info.title:
        raise DataError(f"{here}: the title {info.title!r} must say where the rate stands, as in 'mine {{rate}}'")
    try:
        info.title.format(rate="0%", file="")
    except (KeyError, IndexError, ValueError):
        raise DataError(f"{here}: the title {info.title!r} has another place than {{rate}}") from None
    for key, default in info.options.items():
        if key in RESERVED_OPTIONS or not isinstance(default, bool | int | float | str | None):
            raise DataError(f"{here}: option {key!r}: needs a plain default, and none of the names {RESERVED_OPTIONS}")
    if unknown := sorted(set(info.needs) - set(NEEDS)):
        raise DataError(f"{here}: unknown need {unknown[0]!r} (accepted: {', '.join(NEEDS)})")
    return entry


def _check_name(name: Any, where: str) -> None:
    if not (isinstance(name, str) and name.replace("-", "_").isidentifier() and name.islower()):
        raise DataError(f"{where}: a name is of small letters, digits, underscores and hyphens")
