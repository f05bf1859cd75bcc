"""CIFAR-10 and CIFAR-100 in the official python layout (A. Krizhevsky 2009): 60,000 colour images of 32x32 pixels.

The files are pickles. They are read only after their MD5 agrees with the published one, and then only by an unpickler
that admits what these files hold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datasets.base import DataError, DataSet, DataSetInfo, Images, assemble
from datasets.pickles import read_pickle

Part = Literal["train", "test", "names"]


@dataclass(frozen=True)
class File:
    """One official file: its size in bytes, its MD5 (hex), and what it holds."""

    name: str
    size: int
    md5: str
    part: Part


@dataclass(frozen=True)
class Layout:
    """Where a data set's files lie below the data directory, and the archive they come in."""

    folder: str
    files: tuple[File, ...]
    label_key: str
    names_key: str
    url: str
    archive_md5: str


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
    downloadable=True,
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
    downloadable=True,
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
        label_key="labels",
        names_key="label_names",
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
        label_key="fine_labels",
        names_key="fine_label_names",
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
    ),
}


def _command(name: str, root: Path) -> str:
    return f"run `python run_benchmark.py data fetch {name} --data {root}`"


def locate(name: str, root: Path) -> Path:
    """The folder of the data set's files: below `root`, or `root` itself. Raises DataError where there is none."""
    layout = LAYOUTS[name]
    below = root / layout.folder
    if below.is_dir():
        return below
    if any((root / file.name).is_file() for file in layout.files if file.part != "test"):
        return root
    raise DataError(f"{name}: not found under {root}: {_command(name, root)}; its files go to {below}")


def check(name: str, folder: Path) -> dict[str, str | None]:
    """For each official file, in `folder`: what is wrong with it in a few words, or None."""
    return {file.name: _fault(file, _read(folder / file.name)) for file in LAYOUTS[name].files}


def _read(path: Path) -> bytes | str:
    """The file's bytes, or what keeps it from being read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _fault(file: File, content: bytes | str) -> str | None:
    if isinstance(content, str):
        return content
    if len(content) < file.size:
        return f"is truncated ({len(content):,} of {file.size:,} bytes)"
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != file.md5:
        return "has the wrong MD5 (not the official file)"
    return None


def _verified(name: str, folder: Path, file: File) -> bytes:
    """The bytes of an official file. Raises DataError where it is not that."""
    path = folder / file.name
    content = _read(path)
    wrong = _fault(file, content)
    if wrong is not None or isinstance(content, str):
        root = folder.parent if folder.name == LAYOUTS[name].folder else folder
        raise DataError(f"{path} {wrong}: {_command(name, root)}; the files of {name} go to {folder}")
    return content


def verify(name: str, root: Path) -> None:
    """Raise the DataError that `load` raises where an official file is missing or another; makes no images of them."""
    folder = locate(name, root)
    for file in LAYOUTS[name].files:
        _verified(name, folder, file)


def _held(name: str, folder: Path, file: File) -> dict[str, Any]:
    """The dictionary that an official file holds. The bytes that were hashed are the bytes that are read."""
    path = folder / file.name
    held = read_pickle(_verified(name, folder, file), path)
    if not isinstance(held, dict):
        raise DataError(f"{path}: holds no dictionary")
    return held


def _images(name: str, folder: Path, info: DataSetInfo, part: Part) -> Images:
    layout = LAYOUTS[name]
    height, width, channels = info.image_shape
    tables, labels = [], []
    for file in layout.files:
        if file.part != part:
            continue
        held = _held(name, folder, file)
        data, given = held.get("data"), held.get(layout.label_key)
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (channels * height * width,):
            raise DataError(f"{folder / file.name}: 'data' is not a table of {channels * height * width} bytes a row")
        if not isinstance(given, list) or len(given) != len(data) or not set(given) <= set(range(info.num_classes)):
            raise DataError(f"{folder / file.name}: {layout.label_key!r} is not one class for each image")
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
    folder = locate(info.name, root)
    for file in LAYOUTS[info.name].files:
        if file.part == "names":
            names = _held(info.name, folder, file).get(LAYOUTS[info.name].names_key)
            if names != list(info.class_names):
                raise DataError(f"{folder / file.name}: the class names are not those of {info.title}")
    return assemble(info, _images(info.name, folder, info, "train"), _images(info.name, folder, info, "test"))
