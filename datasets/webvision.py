"""mini-WebVision (Jiang et al. 2018): the Google half of WebVision 1.0 (Li et al. 2017), its first 50 classes.

info/train_filelist_google.txt and info/val_filelist.txt list "NAME CLASS"; validation images lie in val_images_256/
and are the test set here. ImageNet's validation images of the same classes are a second test set where they are found:
in a folder for each class, or all in one, as they are distributed, with a list "NAME CLASS" beside them.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from datasets import listing
from datasets.data_contract import PHOTOGRAPHS, DataSetPlugin, Lists
from datasets.listing import Fault, Listing, Part, Sources
from datasets.webvision_classes import CLASSES as NAMED

CLASSES, ALL_CLASSES = 50, 1000
FOLDERS = ("webvision", "WebVision", "mini-webvision", "webvision1.0")
IMAGENET = "imagenet_val"
_IMAGENET_FOLDERS = (
    "imagenet/val", "../imagenet/val", "../imagenet_val", "imagenet_val", "../ImageNet/val", "../ILSVRC2012/val",
)  # fmt: skip

IMAGENET_LIST = "imagenet_val list"
_LISTS = (  # seen from the folder of images; NAL, SELC and ELR+ each have theirs elsewhere
    "val.txt", "../val.txt", "../imagenet_val.txt", "../ILSVRC2012_devkit_t12/data/val.txt", "imagenet_val.txt",
    "../../imagenet_val.txt", "../devkit/data/val.txt",
)  # fmt: skip
_CLASS_FOLDER = re.compile(r"n\d{8}|\d{1,3}")

INFO = replace(
    PHOTOGRAPHS,
    name="mini_webvision",
    title="mini-WebVision",
    num_classes=CLASSES,
    num_train=65_944,
    num_test=2_500,
    further_tests={IMAGENET: 2_500},
    top5=True,
    image_shape=(227, 227, 3),
    description="photographs found by Google for ImageNet's first 50 classes; ImageNet validation as second test set",
)


def find(folder: Path, file: str | None) -> Sources:
    """The lists, and the folder of ImageNet's validation images if there is one."""
    wanted = {"train": folder / "info" / "train_filelist_google.txt", "test": folder / "info" / "val_filelist.txt"}
    files = {role: path for role, path in wanted.items() if path.is_file()}
    missing = [f"info/{path.name}" for role, path in wanted.items() if role not in files]
    if not (folder / "val_images_256").is_dir():
        missing.append("val_images_256/")
    if (folder / "info" / "synsets.txt").is_file():
        files["classes"] = folder / "info" / "synsets.txt"
    there = [folder / name for name in _IMAGENET_FOLDERS if (folder / name).is_dir()]
    if there:
        files[IMAGENET] = there[0]
        listed = [there[0] / name for name in _LISTS if (there[0] / name).is_file()]
        if listed and not _has_class_folders(there[0]):
            files[IMAGENET_LIST] = listed[0]
        return Sources(folder, files, tuple(missing))
    remark = "no ImageNet validation images (imagenet/val/<synset or class number>/): the second test set is left out"
    return Sources(folder, files, tuple(missing), (remark,))


def _has_class_folders(images: Path) -> bool:
    try:
        with os.scandir(images) as entries:
            return any(entry.is_dir() and _CLASS_FOLDER.fullmatch(entry.name) for entry in entries)
    except OSError:
        return False


def _first_classes(folder: Path, path: Path, faults: list[Fault]) -> Part:
    """The split of a list's images whose class is one of the first 50."""
    part = Part(folder)
    for name, label in listing.read_labels(path, ALL_CLASSES, faults).items():
        if label < CLASSES:
            part.names.append(name)
            part.labels.append(label)
    return part


def _imagenet(folder: Path, synsets: list[str], faults: list[Fault]) -> Part:
    """ImageNet's validation images, in a folder for each class, called by its number or its synset."""
    part = Part(folder)
    if not _has_class_folders(folder):
        wanted = "a folder for each class, or a list of lines NAME CLASS (val.txt or imagenet_val.txt, in or beside it)"
        faults.append(Fault("missing list", f"{folder.name}/", wanted))
        return part
    for label in range(CLASSES):
        names = [str(label), *synsets[label : label + 1]]
        there = [name for name in names if (folder / name).is_dir()]
        if not there:
            faults.append(Fault("missing folder", f"{folder.name}/", " or ".join(names)))
            continue
        for image in sorted(os.listdir(folder / there[0])):  # noqa: PTH208 (names, not paths)
            if not listing.is_clutter(image):
                part.names.append(f"{there[0]}/{image}")
                part.labels.append(label)
    return part


def read(sources: Sources) -> Listing:
    """Training and test images of the first 50 classes, and ImageNet's where they are."""
    faults: list[Fault] = []
    files, folder = sources.files, sources.folder
    lines = [text for _, text in listing.lines(files["classes"])] if "classes" in files else []
    synsets = [text.split()[0] for text in lines]
    titles = [text.partition(" ")[2].split(",")[0].strip() or text for text in lines]
    parts = {
        "train": _first_classes(folder, files["train"], faults),
        "test": _first_classes(folder / "val_images_256", files["test"], faults),
    }
    known = len(titles) >= CLASSES
    if IMAGENET_LIST in files:
        parts[IMAGENET] = _first_classes(files[IMAGENET], files[IMAGENET_LIST], faults)
    elif IMAGENET in files:
        parts[IMAGENET] = _imagenet(files[IMAGENET], synsets if known else [number for number, _ in NAMED], faults)
    names = titles[:CLASSES] if known else [name for _, name in NAMED]
    return Listing(parts, faults, tuple(names))


DATA_SET = DataSetPlugin(INFO, lists=Lists(FOLDERS, find, read))
