"""A tree of folders as a list of images: CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png beside it.

This is how torchvision's `ImageFolder` reads a folder, and Keras's `image_dataset_from_directory`. A class's images may
lie in folders of one more level. Other files are left alone, and told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from datasets import listing
from datasets.base import DataError
from datasets.listing import Fault
from datasets.own_lists import SPLITS, ListEntry, Table

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FEWEST = 2  # folders that must hold images: a single one beside a missing list is no tree of classes


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, in the order of the names, without what systems leave there. Raises DataError."""
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not listing.is_clutter(entry.name)), key=lambda one: one.name)
    except OSError as fault:
        raise DataError(f"{folder}: cannot be read: {fault.strerror}") from None


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def _holds_images(folder: Path) -> bool:
    """Whether an image lies in a folder, or in one of its folders."""
    entries = _entries(folder)
    if any(_is_image(entry.name) for entry in entries):
        return True
    return any(_is_image(one.name) for entry in entries if entry.is_dir() for one in _entries(Path(entry.path)))


def _classes(folder: Path) -> dict[str, Path]:
    return {entry.name: Path(entry.path) for entry in _entries(folder) if entry.is_dir()}


def find(folder: Path) -> dict[str, Path]:
    """The folders of the classes by "SPLIT/CLASS", or by "/CLASS" where there are no splits; empty: this is no tree.

    Of splits, one for training must be there.
    """
    below = _classes(folder)
    parts = {name: path for name, path in below.items() if SPLITS.get(name.casefold())}
    if any(SPLITS[name.casefold()] == "train" for name in parts):
        classes = {name: _classes(path) for name, path in parts.items()}
        found = {f"{split}/{name}": path for split, own in classes.items() for name, path in own.items()}
    else:
        found = {f"/{name}": path for name, path in below.items() if name not in parts and _holds_images(path)}
    return found if len(found) >= FEWEST else {}


def is_tree(files: Mapping[str, Path]) -> bool:
    """Whether the sources of a data set are folders of classes."""
    return bool(files) and all("/" in role for role in files if role != "classes")


def _rows(folder: Path, role: str, images: Path, faults: list[Fault], others: list[str]) -> Iterator[ListEntry]:
    split, _, label = role.partition("/")
    for entry in _entries(images):
        for one in _entries(Path(entry.path)) if entry.is_dir() else [entry]:
            name = os.path.relpath(one.path, folder).replace(os.sep, "/")
            if one is not entry and one.is_dir():
                faults.append(Fault("malformed tree", listing.shown(name), "a folder two levels below its class"))
            elif _is_image(one.name):
                yield ListEntry(f"{images.name}/", name, label, "", split)
            else:
                others.append(name)


def read(folder: Path, files: Mapping[str, Path], faults: list[Fault]) -> tuple[Table, list[str]]:
    """An entry an image, in the order of the folders' and files' names; and the files that are no images by name."""
    others: list[str] = []
    rows = [
        row
        for role, images in sorted(files.items())
        if role != "classes"
        for row in _rows(folder, role, images, faults, others)
    ]
    names = sorted({row.split for row in rows} - {""})
    how = f"of {', '.join(names)}" if names else "without folders of splits"
    return Table(rows, f"{listing.shown(folder.resolve().name)}: a tree of folders, one a class, {how}"), others
