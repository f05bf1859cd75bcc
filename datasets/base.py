"""What a data set is to the rest of the suite: plain arrays and facts, and the error for data that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Pixels: TypeAlias = npt.NDArray[np.uint8]


class DataError(Exception):
    """Data or a noise specification cannot be used. The text is one line for the user."""


@dataclass(frozen=True)
class Images:
    """Images in memory: pixels [N, H, W, C] uint8, labels [N] int64 (the true classes)."""

    pixels: Pixels
    labels: IntArray


@dataclass(frozen=True)
class DataSetInfo:
    """What is known of a data set without reading it.

    image_shape: (H, W, C). mean, std: per channel, of pixels / 255.
    asymmetric_map: class -> the class it is mistaken for; classes that keep their label are left out;
        None: no such map.
    superclass: superclass of each class; None: the data set has no superclasses.
    version: raised when the arrays that loading returns change.
    """

    name: str
    title: str
    version: int
    num_classes: int
    num_train: int
    num_test: int
    image_shape: tuple[int, int, int]
    description: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    asymmetric_map: Mapping[int, int] | None = None
    superclass: tuple[int, ...] | None = None
    downloadable: bool = False


@dataclass(frozen=True)
class DataSet:
    """A data set in memory; rows of `train` are in the order of the official training set. Fields as in DataSetInfo."""

    name: str
    version: int
    train: Images
    test: Images
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    asymmetric_map: Mapping[int, int] | None = None
    superclass: tuple[int, ...] | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def num_train(self) -> int:
        return len(self.train.labels)


def assemble(info: DataSetInfo, train: Images, test: Images) -> DataSet:
    """The data set that `info` describes, with its images."""
    return DataSet(
        name=info.name,
        version=info.version,
        train=train,
        test=test,
        class_names=info.class_names,
        mean=info.mean,
        std=info.std,
        asymmetric_map=info.asymmetric_map,
        superclass=info.superclass,
    )
