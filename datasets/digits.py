"""Handwritten digits embedded in scikit-learn: 1,797 grey images of 8x8 pixels, no download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (its test part). scikit-learn
gives no split; ours is fixed: 40 test images of each class, chosen by our own uniforms.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from datasets.base import DataError, DataSet, DataSetInfo, FloatArray, Images, IntArray, assemble
from datasets.data_contract import DataSetPlugin
from datasets.randomness import derive_seed, permutation

TEST_PER_CLASS = 40
_FILE = "datasets/data/digits.csv.gz"  # below scikit-learn's folder

# The look-alikes used for handwritten digits since Patrini et al. 2017 (loss correction), there on MNIST:
# 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1; the others keep their label.
LOOK_ALIKES = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}

INFO = DataSetInfo(
    name="digits",
    title="Digits",
    version=1,
    num_classes=10,
    num_train=1397,
    num_test=400,
    image_shape=(8, 8, 1),
    description="handwritten digits of scikit-learn, 8x8 grey; embedded, no download; fixed test split of 40 a class",
    class_names=tuple(str(digit) for digit in range(10)),
    mean=(0.3055,),
    std=(0.3762,),
    asymmetric_map=LOOK_ALIKES,
)


def test_rows(labels: IntArray) -> IntArray:
    """[400] int64, ascending: the rows of scikit-learn's table that form the test set."""
    order = permutation(derive_seed("digits", "test split"), len(labels))
    chosen = [order[labels[order] == digit][:TEST_PER_CLASS] for digit in range(INFO.num_classes)]
    return np.sort(np.concatenate(chosen))


def _table() -> tuple[FloatArray, IntArray]:
    """Grey values [1797, 8, 8] float64 and labels [1797] int64 of scikit-learn's table.

    From the package's own file where it lies as in all its versions so far: importing the package takes two seconds of
    each worker's start.
    """
    module_spec = importlib.util.find_spec("sklearn")
    for folder in (module_spec and module_spec.submodule_search_locations) or ():
        file = Path(folder) / _FILE
        if file.is_file():
            lines = np.loadtxt(file, delimiter=",")
            return lines[:, :-1].reshape(-1, 8, 8), lines[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    table = load_digits()
    return np.asarray(table.images, dtype=np.float64), np.asarray(table.target, dtype=np.int64)


def load(root: Path | None = None) -> DataSet:
    """The digits, grey values 0..16 scaled to 0..255 (rounded half up). `root` is not used."""
    grey, labels = _table()
    if grey.shape != (INFO.num_train + INFO.num_test, 8, 8):
        raise DataError(f"digits: scikit-learn's table has shape {grey.shape}, expected (1797, 8, 8)")
    pixels = np.floor(grey * (255.0 / 16.0) + 0.5).astype(np.uint8)[..., None]
    in_test = np.zeros(len(labels), dtype=bool)
    in_test[test_rows(labels)] = True
    return assemble(INFO, Images(pixels[~in_test], labels[~in_test]), Images(pixels[in_test], labels[in_test]))


DATA_SET = DataSetPlugin(INFO, load=lambda info, root: load(), comes_with="scikit-learn")
