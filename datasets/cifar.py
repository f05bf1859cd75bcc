"""CIFAR-10 and CIFAR-100 in the official python layout (A. Krizhevsky 2009): 60,000 colour images of 32x32 pixels.

The files are pickles. They are read only after their MD5 agrees with the published one, and then only by an unpickler
that admits what these files hold.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from datasets import official
from datasets.base import DataError, DataSet, DataSetInfo, Images, assemble
from datasets.data_contract import DataSetPlugin
from datasets.official import File, Layout
from datasets.pickles import read_pickle

CIFAR10 = DataSetInfo(
    name="cifar10",
    title="CIFAR-10",
    version=1,
    num_classes=10,
    num_train=50_000,
    num_test=10_000,
    image_shape=(32, 32, 3),
    description="colour photographs, 32x32, 10 classes; 170 MB to download",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    mean=(0.4914, 0.4822, 0.4465),  # mean and deviation as the field's code has them
    std=(0.2023, 0.1994, 0.2010),
    # Patrini et al. 2017: truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog
    asymmetric_map={2: 0, 3: 5, 4: 7, 5: 3, 9: 1},
)

_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""

CIFAR100 = DataSetInfo(
    name="cifar100",
    title="CIFAR-100",
    version=1,
    num_classes=100,
    num_train=50_000,
    num_test=10_000,
    image_shape=(32, 32, 3),
    description="colour photographs, 32x32, 100 classes in 20 superclasses; 169 MB to download",
    class_names=tuple(_CIFAR100_CLASSES.split()),
    mean=(0.507, 0.487, 0.441),
    std=(0.267, 0.256, 0.276),
    # the official coarse label of each class
    superclass=(
        4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7,
        6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10,
        16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16,
        12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
    ),
)  # fmt: skip

LAYOUTS = {
    "cifar10": Layout(
        folder="cifar-10-batches-py",
        files=(
            File("data_batch_1", 31035704, "c99cafc152244af753f735de768cd75f", "train"),
            File("data_batch_2", 31035320, "d4bba439e000b95fd0a9bffe97cbabec", "train"),
            File("data_batch_3", 31035999, "54ebc095f3ab1f0389bbae665268c751", "train"),
            File("data_batch_4", 31035696, "634d18415352ddfa80567beed471001a", "train"),
            File("data_batch_5", 31035623, "482c414d41f54cd18b22e5b47cb7c3cb", "train"),
            File("test_batch", 31035526, "40351d587109b95175f43aff81a1287e", "test"),
            File("batches.meta", 158, "5ff9c542aee3614f3951f8cda6e48888", "names"),
        ),
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        archive_md5="c58f30108f718f92721af3b95e74349a",
    ),
    "cifar100": Layout(
        folder="cifar-100-python",
        files=(
            File("train", 155249918, "16019d7e3df5f24257cddd939b257f8d", "train"),
            File("test", 31049707, "f0ef6b0ae62326f3e7ffdfab6717acfc", "test"),
            File("meta", 1473, "7973b15100ade9c7d40fb424638fde48", "names"),
        ),
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
    ),
}
_KEYS = {"cifar10": ("labels", "label_names"), "cifar100": ("fine_labels", "fine_label_names")}
"""What the labels and the class names are called in the files."""


def _held(name: str, folder: Path, file: File) -> dict[str, Any]:
    """The dictionary that an official file holds. The bytes that were hashed are the bytes that are read."""
    path = folder / file.name
    held = read_pickle(official.verified(name, LAYOUTS[name], folder, file), path)
    if not isinstance(held, dict):
        raise DataError(f"{path}: holds no dictionary")
    return held


def _images(name: str, folder: Path, info: DataSetInfo, part: str) -> Images:
    layout, label_key = LAYOUTS[name], _KEYS[name][0]
    height, width, channels = info.image_shape
    tables, labels = [], []
    for file in layout.files:
        if file.part != part:
            continue
        held = _held(name, folder, file)
        data, given = held.get("data"), held.get(label_key)
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (channels * height * width,):
            raise DataError(f"{folder / file.name}: 'data' is not a table of {channels * height * width} bytes a row")
        if not isinstance(given, list) or len(given) != len(data) or not set(given) <= set(range(info.num_classes)):
            raise DataError(f"{folder / file.name}: {label_key!r} is not one class for each image")
        tables.append(data.reshape(-1, channels, height, width))
        labels.append(np.asarray(given, dtype=np.int64))
    pixels = np.empty((sum(map(len, tables)), height, width, channels), dtype=np.uint8)
    start = 0
    for table in tables:  # each is moved to its place at once: joining them first would copy them once more
        pixels[start : start + len(table)] = table.transpose(0, 2, 3, 1)
        start += len(table)
    return Images(pixels, np.concatenate(labels))


def load(info: DataSetInfo, root: Path) -> DataSet:
    """CIFAR-10 or CIFAR-100 from `root` (which holds the official folder, or is it), in the official order.

    Raises DataError, one line that says what to run, where a file is missing, truncated or not the official one.
    """
    folder = official.locate(info.name, LAYOUTS[info.name], root)
    for file in LAYOUTS[info.name].files:
        if file.part == "names":
            names = _held(info.name, folder, file).get(_KEYS[info.name][1])
            if names != list(info.class_names):
                raise DataError(f"{folder / file.name}: the class names are not those of {info.title}")
    made = assemble(info, _images(info.name, folder, info, "train"), _images(info.name, folder, info, "test"))
    return replace(made, root=root)


def _data_set(info: DataSetInfo) -> DataSetPlugin:
    return DataSetPlugin(info, load, official=lambda: LAYOUTS[info.name])


DATA_SETS = (_data_set(CIFAR10), _data_set(CIFAR100))
