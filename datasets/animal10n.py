"""ANIMAL-10N (Song et al. 2019): 55,000 photographs of five pairs of look-alike animals, labelled by 15 people.

The folders training/ and testing/ hold images of 64 x 64 pixels; the label is what stands before "_" in a file's name.
They lie in the data set's folder, or in raw_image/ and raw_image_ver/ below it, as the published archives unpack.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from datasets import listing
from datasets.base import DataError
from datasets.data_contract import PHOTOGRAPHS, DataSetPlugin, Lists
from datasets.listing import Fault, Listing, Part, Sources, class_of, shown

FOLDERS = ("animal10n", "ANIMAL-10N", "Animal-10N", "Animal10N", "animal10", "raw_image_ver", "raw_image")
_BELOW = ("", "raw_image", "raw_image_ver", "raw_image_ver/raw_image")
_ARCHIVES = ("raw_image_ver.zip", "raw_image.zip")
_SPLITS = {"train": "training", "test": "testing"}
_ENDINGS = (".jpg", ".jpeg", ".png")

INFO = replace(
    PHOTOGRAPHS,
    name="animal10n",
    title="ANIMAL-10N",
    num_classes=10,
    num_train=50_000,
    num_test=5_000,
    image_shape=(64, 64, 3),
    resize=64,
    description="photographs of 10 animals in 5 look-alike pairs, 64x64, labelled by people (about 8% wrong)",
    class_names=("cat", "lynx", "wolf", "coyote", "cheetah", "jaguar", "chimpanzee", "orangutan", "hamster",
                 "guinea pig"),
    estimated_rate=0.08,  # as papers quote Song et al. 2019
)  # fmt: skip


def find(folder: Path, file: str | None) -> Sources:
    """The two folders of images, which are their own lists; in the first place that has both, or one."""

    def there(place: Path) -> dict[str, Path]:
        return {split: place / name for split, name in _SPLITS.items() if (place / name).is_dir()}

    place = max((folder / below for below in _BELOW), key=lambda place: len(there(place)))
    files = there(place)
    packed = next((name for name in _ARCHIVES if (folder / name).is_file()), None)
    hint = f" (unpack {packed})" if packed else ""
    missing = tuple(f"{name}/{hint}" for split, name in _SPLITS.items() if split not in files)
    return Sources(place, files, missing)


def _part(images: Path, faults: list[Fault]) -> Part:
    part = Part(images)
    try:
        names = sorted(os.listdir(images))  # noqa: PTH208 (names, not paths: there are 50,000)
    except OSError as fault:
        raise DataError(f"{images}: cannot be read: {fault.strerror}") from None
    for name in names:
        if not name.lower().endswith(_ENDINGS) or listing.is_clutter(name):
            continue
        label, separator, _ = name.partition("_")
        value = class_of(label, INFO.num_classes) if separator else "malformed name"
        if isinstance(value, str):
            faults.append(Fault(value.replace("line", "name"), f"{images.name}/", shown(name)))
        else:
            part.names.append(name)
            part.labels.append(value)
    return part


def read(sources: Sources) -> Listing:
    """Both splits, in the order of the file names."""
    faults: list[Fault] = []
    return Listing({split: _part(images, faults) for split, images in sources.files.items()}, faults, INFO.class_names)


DATA_SET = DataSetPlugin(INFO, lists=Lists(FOLDERS, find, read))
