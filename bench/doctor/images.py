"""A plug-in that `doctor` measures rates on: random images, as many and as large as those of CIFAR-10."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.base import DataSet, DataSetInfo, Images, assemble
from datasets.plugin import DataSetPlugin

CLASSES, SIZE = 10, 32
INFO = DataSetInfo(
    name="doctor_images",
    title="Random images",
    version=1,
    num_classes=CLASSES,
    num_train=50_000,
    num_test=10_000,
    image_shape=(SIZE, SIZE, 3),
    description="random images of CIFAR-10's number and size, for measuring rates",
    class_names=tuple("abcdefghij"),
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)


def _images(count: int, seed: int) -> Images:
    words = np.random.PCG64(seed).random_raw(count * SIZE * SIZE * 3 // 8)
    pixels = np.asarray(words, dtype=np.uint64).view(np.uint8).reshape(count, SIZE, SIZE, 3)
    return Images(pixels, np.arange(count, dtype=np.int64) % CLASSES)


def load(info: DataSetInfo, root: Path) -> DataSet:
    """The images; nothing is read from `root`."""
    return assemble(info, _images(info.num_train, 0), _images(info.num_test, 1))


DATASETS = [DataSetPlugin(INFO, load)]
