"""What a data set is to the rest of the suite: plain arrays and facts, and the error for data that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datasets.names import Names

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Report: TypeAlias = Callable[[int, int | None], None]
"""Told how much is done, and how much there is to do (None: not known)."""
Pixels: TypeAlias = npt.NDArray[np.uint8]


class DataError(Exception):
    """Data or a noise specification cannot be used. The text is one line for the user."""


@dataclass(frozen=True)
class Images:
    """Images in memory: pixels [N, H, W, C] uint8, labels [N] int64 (the true classes)."""

    pixels: Pixels
    labels: IntArray

    def take(self, rows: IntArray) -> Images:
        """The images `rows`, in that order."""
        return Images(self.pixels[rows], self.labels[rows])


@dataclass(frozen=True)
class ImageFiles:
    """Images that are files: the one at row i is `folder / names[numbers[i]]`; labels [N] int64 as in Images.

    copies: how the files of resized copies are called, which are read instead (see `datasets.resized`). own: a user's
    images, which are read as people see them (see `datasets.image_file`).
    """

    folder: Path
    names: Names
    numbers: IntArray
    labels: IntArray
    copies: Path | None = None
    own: bool = False

    def take(self, rows: IntArray) -> ImageFiles:
        """The images `rows`, in that order; the names are shared, not copied."""
        return replace(self, numbers=self.numbers[rows], labels=self.labels[rows])

    def path(self, row: int) -> Path:
        """The file of one image."""
        return self.folder / self.names[int(self.numbers[row])]


ImageSet: TypeAlias = Images | ImageFiles


@dataclass(frozen=True)
class HeldOut:
    """A validation set. given: [N] the labels that a user would have; None: the true ones.

    truth: False where the true classes are not known; `images.labels` are then the given ones.
    """

    images: ImageSet
    given: IntArray | None = None
    truth: bool = True


@dataclass(frozen=True)
class DataSetInfo:
    """What is known of a data set without reading it.

    image_shape: (H, W, C); where images are files, what they are cropped to. mean, std: per channel, of pixels / 255.
    class_names: empty where a file of the data set gives them.
    asymmetric_map: class -> the class it is mistaken for; classes that keep their label are left out;
        None: no such map.
    superclass: superclass of each class; None: the data set has no superclasses.
    version: raised when the arrays that loading returns change.
    resize: where images are files, what their shorter side is resized to before the crop; None: images are in memory.
    own_labels: the data set comes with noisy labels of its own. truth: the true classes of its training images are
        known. estimated_rate: the published estimate of the share of wrong labels, where the truth is not known.
    num_validation: images of the official validation set; further_tests: names and sizes of further test
        sets. top5: its papers report the top-5 accuracy too.
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
    resize: int | None = None
    own_labels: bool = False
    truth: bool = True
    estimated_rate: float | None = None
    num_validation: int = 0
    top5: bool = False
    further_tests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A data set; rows of `train` are in the order of the official training set. Fields as in DataSetInfo.

    root: the data directory it was read from; None: it has no files.
    given: [N] the noisy labels that the data set comes with; None: it has none.
    truth: False where the true classes of the training images are not known; `train.labels` are then the given ones.
    test_truth: the same of the test images.
    validation: the official validation set. further_tests: test sets beside `test`, by name.
    content: the hash of what its lists say, where images are files. skipped: how many images were left out, by what was
    wrong with them. adjusted: of how many own images more was done than to read them, by what it was (see
    `datasets.image_file`). title: what tables call it, where that is not its description's title.
    """

    name: str
    version: int
    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    asymmetric_map: Mapping[int, int] | None = None
    superclass: tuple[int, ...] | None = None
    root: Path | None = None
    given: IntArray | None = None
    truth: bool = True
    test_truth: bool = True
    validation: HeldOut | None = None
    further_tests: Mapping[str, ImageSet] = field(default_factory=dict)
    top5: bool = False
    content: str | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)
    title: str | None = None

    @property
    def own_labels(self) -> bool:
        return self.given is not None

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
