"""The index of a data set whose images are files: its lists, read once, as arrays that every process maps.

It is a folder of plain arrays beside the data (or in the user's cache where the data cannot be written to), named by
the sizes and times of the lists it was made from: other lists, another index. What the check of the images found is
kept in it too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import files
from datasets.base import DataSetInfo, IntArray
from datasets.listing import Fault, Listing, Sources
from datasets.names import Names

FORMAT = 1  # raised when an index of today could not be read as one of yesterday
FOLDER = ".noisy-label-bench"
UNCHECKED, GOOD, BROKEN = 0, 1, 2
_DESCRIPTION, _BROKEN = "index.json", "broken.jsonl"

Status = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Split:
    """The images of one split. labels: given, [N] int64; clean: true ones, -1 where not known; None: for none.

    status: [N] uint8, what the check of each image found (UNCHECKED, GOOD, BROKEN).
    """

    folder: Path
    names: Names
    labels: IntArray
    clean: IntArray | None
    status: Status


@dataclass(frozen=True)
class Index:
    """A data set's lists. content: SHA-256 (hex) of all names and labels. path: its folder."""

    path: Path
    splits: Mapping[str, Split]
    class_names: tuple[str, ...]
    faults: tuple[Fault, ...]
    content: str


def _key(info: DataSetInfo, sources: Sources) -> str:
    """A name that changes with the lists: their sizes and times."""
    parts: list[Any] = [FORMAT, info.name, info.version]
    for role in sorted(sources.files):
        path = sources.files[role]
        found = path.stat()
        size = 0 if path.is_dir() else found.st_size
        parts.append([role, os.path.relpath(path, sources.folder), size, found.st_mtime_ns])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _places(info: DataSetInfo, sources: Sources, cache: Path) -> list[Path]:
    listed = [sources.files["list"].stem] if "list" in sources.files else []  # of own images there may be several
    name = "-".join([info.name, *listed, _key(info, sources)])
    elsewhere = hashlib.sha256(str(sources.folder.resolve()).encode()).hexdigest()[:16]
    return [sources.folder / FOLDER / name, cache / "index" / elsewhere / name]


def find(info: DataSetInfo, sources: Sources, cache: Path) -> Index | None:
    """The index of these lists, if it was made before. cache: the user's own folder, the second place to look."""
    for path in _places(info, sources, cache):
        if (path / _DESCRIPTION).is_file():
            return _opened(path, sources.folder)
    return None


def make(info: DataSetInfo, sources: Sources, listing: Listing, cache: Path) -> Index:
    """Write the index, whole or not at all; of two that do so at once the first wins."""
    refusal: OSError | None = None
    for path in _places(info, sources, cache):
        try:
            with files.temporary(path) as temporary:
                temporary.mkdir()
                _write(temporary, sources.folder, listing)
                if not path.exists():
                    temporary.rename(path)
        except OSError as fault:
            refusal = fault
            if (path / _DESCRIPTION).is_file():  # somebody else was faster
                return _opened(path, sources.folder)
            continue
        return _opened(path, sources.folder)
    assert refusal is not None
    raise refusal


def _write(path: Path, folder: Path, listing: Listing) -> None:
    content = hashlib.sha256()
    described = {}
    for split, part in sorted(listing.parts.items()):
        names = Names.of(part.names)
        arrays: dict[str, npt.NDArray[Any]] = {
            "names": names.blob,
            "ends": names.ends,
            "labels": np.array(part.labels, dtype=np.int64),
            "status": np.zeros(len(names), dtype=np.uint8),
        }
        if part.clean is not None:
            arrays["clean"] = np.array(part.clean, dtype=np.int64)
        for name, array in arrays.items():
            np.save(path / f"{split}.{name}.npy", array)
            if name != "status":
                content.update(f"{split}.{name}:{len(array)};".encode())
                content.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        described[split] = {"folder": os.path.relpath(part.folder, folder), "clean": part.clean is not None}
    description = {
        "splits": described,
        "class_names": list(listing.class_names),
        "faults": [[fault.kind, fault.where, fault.what] for fault in listing.faults],
        "content": content.hexdigest(),
    }
    (path / _DESCRIPTION).write_text(json.dumps(description), encoding="ascii")


def _array(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # an empty array cannot be mapped
        return np.load(path, allow_pickle=False)


def _opened(path: Path, folder: Path) -> Index:
    held = json.loads((path / _DESCRIPTION).read_text(encoding="ascii"))
    splits = {}
    for split, described in held["splits"].items():
        arrays = {name: _array(path / f"{split}.{name}.npy") for name in ("names", "ends", "labels", "status")}
        clean = _array(path / f"{split}.clean.npy") if described["clean"] else None
        names = Names(arrays["names"], arrays["ends"])
        images = Path(os.path.normpath(folder / described["folder"]))
        splits[split] = Split(images, names, arrays["labels"], clean, arrays["status"])
    faults = tuple(Fault(*fault) for fault in held["faults"])
    return Index(path, splits, tuple(held["class_names"]), faults, held["content"])


def record_status(index: Index, split: str, start: int, status: Status, broken: Iterable[tuple[int, Fault]]) -> None:
    """Keep what the check found of the images from row `start` on. A check that is cut off loses nothing before."""
    lines = [json.dumps([split, row, fault.kind, fault.where, fault.what]) + "\n" for row, fault in broken]
    if lines:
        with (index.path / _BROKEN).open("a", encoding="ascii") as stream:
            stream.writelines(lines)
    kept = np.load(index.path / f"{split}.status.npy", mmap_mode="r+")
    kept[start : start + len(status)] = status
    kept.flush()


def broken(index: Index) -> dict[str, dict[int, Fault]]:
    """The images that the check found broken, by split and row."""
    path = index.path / _BROKEN
    found: dict[str, dict[int, Fault]] = {}
    if path.is_file():
        for line in path.read_text(encoding="ascii").splitlines():
            split, row, *fault = json.loads(line)
            if index.splits[split].status[row] == BROKEN:
                found.setdefault(split, {})[row] = Fault(*fault)
    return found


def forget_others(index: Index) -> None:
    """Remove the indexes that were made of earlier contents of the same lists."""
    prefix = index.path.name.rpartition("-")[0]
    for other in index.path.parent.glob(f"{prefix}-*"):
        if other != index.path:
            shutil.rmtree(other, ignore_errors=True)
