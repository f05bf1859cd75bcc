"""The index of a data set whose images are files: its lists, read once, as arrays that every process maps.

It is a folder of plain arrays beside the data (or in the user's cache where the data cannot be written to), named by
what the lists hold that it was made from: other lists, another index. What the check of the images found is kept in it
too (see `datasets.index_checks`). One that is damaged is made again.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import files
from datasets.base import DataSetInfo, IntArray
from datasets.listing import Fault, Listing, Part, Sources
from datasets.names import Names

FORMAT = 2  # raised when an index of today could not be read as one of yesterday
FOLDER = ".noisy-label-bench"
UNCHECKED, GOOD, BROKEN = 0, 1, 2
DESCRIPTION, REASONS = "index.json", "broken.jsonl"
STAMP = 3  # numbers that tell a file from an earlier one of its name: size, and times of content and of inode in ns
CHECKED: Mapping[str, tuple[type, tuple[int, ...]]] = {
    "status": (np.uint8, ()), "stamps": (np.int64, (STAMP,)), "digests": (np.uint64, ()), "notes": (np.uint8, ()),
}  # fmt: skip
"""The arrays that a check fills: type, and shape of a row."""


@dataclass(frozen=True)
class Split:
    """The images of one split. labels: given, [N] int64; clean: true ones, -1 where not known; None: for none.

    Of what the check of each image found: status [N] uint8 (UNCHECKED, GOOD, BROKEN); stamps [N, 3] int64, zero where
    there was no file; digests [N] uint64 of the files' bytes, zero where unknown; notes [N] uint8 (see
    `datasets.image_file`).
    """

    folder: Path
    names: Names
    labels: IntArray
    clean: IntArray | None
    status: npt.NDArray[np.uint8]
    stamps: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]
    notes: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Index:
    """A data set's lists. content: SHA-256 (hex) of all names and labels. path: its folder. Others as in Listing."""

    path: Path
    splits: Mapping[str, Split]
    class_names: tuple[str, ...]
    faults: tuple[Fault, ...]
    content: str
    reading: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    own: bool = False
    absent: int = 0


@functools.lru_cache(maxsize=64)
def _hash_of_file(path: Path, *_stamp: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _content_of(path: Path) -> str:
    """A hash of what a file holds; of a folder that is its own list, of the names in it and in its folders."""
    if not path.is_dir():
        file_status = path.stat()
        return _hash_of_file(
            path, file_status.st_size, file_status.st_mtime_ns, file_status.st_ctime_ns, file_status.st_ino
        )
    content = hashlib.sha256()
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        below = sorted(os.listdir(entry.path)) if entry.is_dir() else []  # noqa: PTH208 (names, not paths)
        content.update(os.fsencode("\0".join([entry.name, *below, "\0"])))
    return content.hexdigest()


def _key(info: DataSetInfo, sources: Sources) -> str:
    """A name that changes with the lists."""
    parts: list[Any] = [FORMAT, info.name, info.version]
    for role in sorted(sources.files):
        path = sources.files[role]
        parts.append([role, os.path.relpath(path, sources.folder), _content_of(path)])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _places(info: DataSetInfo, sources: Sources, cache: Path) -> list[Path]:
    listed = [sources.files["list"].stem] if "list" in sources.files else []  # of own images there may be several
    name = "-".join([info.name, *listed, _key(info, sources)])
    elsewhere = hashlib.sha256(os.fsencode(sources.folder.resolve())).hexdigest()[:16]
    return [sources.folder / FOLDER / name, cache / "index" / elsewhere / name]


def find(info: DataSetInfo, sources: Sources, cache: Path) -> Index | None:
    """The index of these lists, if it was made before; one that a check can write to before one that it cannot.

    cache: the user's own folder, the second place to look. Raises OSError where a list cannot be read.
    """
    there = [index for path in _places(info, sources, cache) if (index := _sound(path, sources.folder))]
    return min(there, key=lambda index: not is_writable(index), default=None)


def is_writable(index: Index) -> bool:
    """Whether a check may keep in it what it finds."""
    arrays = [index.path / f"{split}.status.npy" for split in index.splits]
    return all(os.access(path, os.W_OK) for path in [index.path, *arrays])


def make(info: DataSetInfo, sources: Sources, listing: Listing, cache: Path) -> Index:
    """Write the index, whole or not at all; of two that do so at once the first wins. Raises OSError."""
    refusal: OSError | None = None
    readable: Index | None = None
    for path in _places(info, sources, cache):
        try:
            with files.temporary(path) as temporary:
                temporary.mkdir()
                _write(temporary, sources.folder, listing)
                if not path.exists():
                    temporary.rename(path)
        except OSError as fault:
            refusal = fault
        index = _sound(path, sources.folder)  # perhaps of somebody who was faster
        if index is not None and is_writable(index):
            return index
        readable = readable or index
    if readable is None:
        raise refusal or OSError(errno.EACCES, "a damaged index cannot be replaced", str(path))
    return readable


def forget(index: Index) -> None:
    """Remove an index, so that it is made again."""
    shutil.rmtree(index.path, ignore_errors=True)


def _listed_arrays(part: Part) -> dict[str, npt.NDArray[Any]]:
    """What the lists say of a split."""
    names = Names.of(part.names)
    arrays: dict[str, npt.NDArray[Any]] = {"names": names.blob, "ends": names.ends}
    arrays["labels"] = np.array(part.labels, dtype=np.int64)
    if part.clean is not None:
        arrays["clean"] = np.array(part.clean, dtype=np.int64)
    return arrays


def _hash_of(split: str, arrays: Mapping[str, npt.NDArray[Any]], content: Any) -> None:
    for name, array in arrays.items():
        content.update(f"{split}.{name}:{len(array)};".encode())
        content.update(array.astype(array.dtype.newbyteorder("<")).tobytes())


def content_of(listing: Listing) -> str:
    """The `content` that an index of this listing has."""
    content = hashlib.sha256()
    for split, part in sorted(listing.parts.items()):
        _hash_of(split, _listed_arrays(part), content)
    return content.hexdigest()


def _write(path: Path, folder: Path, listing: Listing) -> None:
    described = {}
    for split, part in sorted(listing.parts.items()):
        arrays = _listed_arrays(part)
        for name, (kind, row) in CHECKED.items():
            arrays[name] = np.zeros((len(part.names), *row), dtype=kind)
        for name, array in arrays.items():
            np.save(path / f"{split}.{name}.npy", array)
        described[split] = {"folder": os.path.relpath(part.folder, folder), "clean": part.clean is not None}
    description = {
        "splits": described,
        "class_names": list(listing.class_names),
        "faults": [[fault.kind, fault.where, fault.what] for fault in listing.faults],
        "content": content_of(listing),
        "reading": list(listing.reading),
        "remarks": list(listing.remarks),
        "own": listing.own,
        "absent": listing.absent,
    }
    (path / DESCRIPTION).write_text(json.dumps(description), encoding="ascii")


def _array(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # an empty array cannot be mapped
        return np.load(path, allow_pickle=False)


def _sound(path: Path, folder: Path) -> Index | None:
    """The index there, if it is whole. One that is damaged is removed, as far as it can be."""
    if not (path / DESCRIPTION).is_file():
        return None
    try:
        return _opened(path, folder)
    except Exception:  # cut short, of a full disk: whatever does not fit, it is made again
        shutil.rmtree(path, ignore_errors=True)
        return None


def _opened(path: Path, folder: Path) -> Index:
    held = json.loads((path / DESCRIPTION).read_text(encoding="ascii"))
    splits = {}
    for split, described in held["splits"].items():
        arrays = {name: _array(path / f"{split}.{name}.npy") for name in ("names", "ends", "labels", *CHECKED)}
        clean = _array(path / f"{split}.clean.npy") if described["clean"] else None
        names = Names(arrays.pop("names"), arrays.pop("ends"))
        rows = {len(array) for array in (*arrays.values(), names, *([] if clean is None else [clean]))}
        if len(rows) > 1 or (len(names) and int(names.ends[-1]) != len(names.blob)):
            raise ValueError(f"{split}: arrays of unequal length")
        images = Path(os.path.normpath(folder / described["folder"]))
        splits[split] = Split(folder=images, names=names, clean=clean, **arrays)
    return Index(
        path,
        splits,
        tuple(held["class_names"]),
        tuple(Fault(*fault) for fault in held["faults"]),
        held["content"],
        tuple(held["reading"]),
        tuple(held["remarks"]),
        held["own"],
        held["absent"],
    )


def forget_others(index: Index) -> None:
    """Remove the indexes that were made of earlier contents of the same lists."""
    prefix = index.path.name.rpartition("-")[0]
    for other in index.path.parent.glob(f"{prefix}-*"):
        if other != index.path:
            shutil.rmtree(other, ignore_errors=True)
