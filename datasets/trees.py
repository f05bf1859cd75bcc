"""A tree of folders as a list of images: CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png beside it.

This is how torchvision's `ImageFolder` reads a folder, and Keras's `image_dataset_from_directory`. A class's images may
lie in folders of one more level. Other files, and images that lie elsewhere, are left alone, and told; a folder called
as a split is, but without one for training beside it, is refused, as it may be a class.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
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
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not listing.is_clutter(entry.name)), key=lambda one: one.name)
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
        folders = {f"{split}/{name}": path for split, own in classes.items() for name, path in own.items()}
    else:
        folders = {f"/{name}": path for name, path in below.items() if name not in parts and _holds_images(path)}
    return folders if len(folders) >= FEWEST else {}


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


def _elsewhere(folder: Path, splits: Sequence[Path], classes: Collection[Path], faults: list[Fault]) -> Iterator[str]:
    """Images and folders of such that lie beside the splits or the classes, and are none of these."""
    for entry in (one for place in (folder, *splits) for one in _entries(place)):
        path = Path(entry.path)
        if path in splits or path in classes or not (_holds_images(path) if entry.is_dir() else _is_image(entry.name)):
            continue
        name = os.path.relpath(path, folder).replace(os.sep, "/")
        if entry.is_dir() and not splits and entry.name.casefold() in SPLITS:
            what = f"a split without train/ beside it: where {entry.name}/ is a class, give it another name"
            faults.append(Fault("malformed tree", f"{listing.shown(name)}/", what))
        else:
            yield name + "/" * entry.is_dir()


def read(folder: Path, files: Mapping[str, Path], faults: list[Fault]) -> tuple[Table, list[str], list[str]]:
    """An entry an image, in the order of the folders' and files' names; the files that are no images by name; and the
    images that lie elsewhere.
    """
    others: list[str] = []
    rows = [
        row
        for role, images in sorted(files.items())
        if role != "classes"
        for row in _rows(folder, role, images, faults, others)
    ]
    parts = {role.partition("/")[0] for role in files if role != "classes"}
    splits = [folder / name for name in sorted(parts - {""})]
    outside = list(_elsewhere(folder, splits, set(files.values()), faults))
    names = sorted({row.split for row in rows} - {""})
    how = f"of {', '.join(names)}" if names else "without folders of splits"
    told = f"{listing.shown(folder.resolve().name)}: a tree of folders, one a class, {how}"
    return Table(rows, told), others, outside
