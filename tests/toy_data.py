"""A data set of numbers alone, for tests of noise models, and files that go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.base import DataSet, Images
from datasets.randomness import integers

PER_CLASS = 200


def toy(name: str = "toy", image_seed: int = 1) -> DataSet:
    """2,000 images of 4x4 grey pixels, ten classes one after the other round and round, two superclasses."""
    labels = np.arange(10 * PER_CLASS, dtype=np.int64) % 10
    pixels = integers(image_seed, len(labels) * 16, 256).astype(np.uint8).reshape(-1, 4, 4, 1)
    return DataSet(
        name=name,
        version=1,
        train=Images(pixels, labels),
        test=Images(pixels[:10], labels[:10]),
        class_names=tuple("abcdefghij"),
        mean=(0.5,),
        std=(0.25,),
        asymmetric_map={2: 0, 3: 5, 4: 7, 5: 3, 9: 1},
        superclass=(0, 1, 0, 1, 0, 1, 0, 1, 0, 1),
    )


TOY = toy()


def write_matrix(folder: Path) -> Path:
    """A transition matrix with 30% wrong labels."""
    matrix = 0.7 * np.eye(10) + 0.2 * np.roll(np.eye(10), 1, axis=1) + 0.1 * np.roll(np.eye(10), 3, axis=1)
    path = folder / "chain.npy"
    np.save(path, matrix)
    return path


def write_labels(folder: Path) -> Path:
    """Two arrays of labels, the first with 13.5% of them wrong."""
    path = folder / "given.npz"
    given = TOY.train.labels.copy()
    given[:300] = 7
    np.savez(path, worst=given.astype(np.uint8), clean=TOY.train.labels.astype(np.uint8))
    return path
