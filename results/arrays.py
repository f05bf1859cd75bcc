"""Per-sample arrays in .npz files: written byte-stable; read as plain numbers alone, of sizes looked at before."""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.record import Record
from results.plain import is_name, read_regular, shown
from results.record import StoreError

Arrays = dict[str, NDArray[Any]]

MOST_BYTES = 512 * 2**20
"""What an .npz file may unpack to: some ten times the largest that the suite writes."""
_FIRST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_SAMPLES = ("index", "given", "true", "predicted", "given_probability_last", "given_probability_mean", "own_score")
_TEST = ("test_predicted", "test_true", "test_confidence")
_CLASSES = ("given", "true", "predicted", "test_predicted", "test_true")
_FAULTS = (ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A compressed .npz file whose bytes depend on the arrays alone: sorted names, no dates. Refuses objects."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _FIRST_ZIP_TIME)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, content.getvalue())
    return stream.getvalue()


def load_npz(path: Path, names: Collection[str] | None = None) -> Arrays:
    """All arrays of an .npz file, or those of `names` that it has. Raises StoreError naming the file.

    Nothing in it is executed: arrays of objects (pickles) are refused. The sizes that the file states are looked at
    before anything is unpacked: one whose arrays take more than MOST_BYTES, or more than the file holds for them, is
    refused.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as fault:
        raise StoreError(f"cannot read {path}: {fault.strerror or fault}") from fault
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _unpacked(archive, names, path)
    except _FAULTS as fault:
        raise StoreError(f"{path}: no readable .npz file, perhaps cut short: {str(fault)[:200]}") from None


def _unpacked(archive: zipfile.ZipFile, names: Collection[str] | None, path: Path) -> Arrays:
    entries = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if name == entry.filename or not is_name(name) or name in entries:
            raise StoreError(f"{path}: {shown(entry.filename)} is no array's name, or is there twice")
        entries[name] = entry
    chosen = {name: entry for name, entry in entries.items() if names is None or name in names}
    total = sum(entry.file_size for entry in chosen.values())
    if total > MOST_BYTES:
        raise StoreError(f"{path}: its arrays take {total} bytes (at most {MOST_BYTES} are read)")
    return {name: _array(archive, entry, f"{path}: array {name!r}") for name, entry in chosen.items()}


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> NDArray[Any]:
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size + 1)  # never more than stated, whatever the compressed bytes give
    if len(content) != entry.file_size:
        raise StoreError(f"{where} has another size than the file states")
    packed = io.BytesIO(content)
    version = np.lib.format.read_magic(packed)
    if version not in ((1, 0), (2, 0)):
        raise StoreError(f"{where} has an unknown form")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(packed)
    if kind.hasobject or kind.kind not in "biuf":
        raise StoreError(f"{where} is of {kind.kind!r} values, not of plain numbers")
    if math.prod(shape) * kind.itemsize != len(content) - packed.tell():
        raise StoreError(f"{where} says a shape {shown(shape)} that its {len(content)} bytes do not have")
    packed.seek(0, os.SEEK_SET)
    array: NDArray[Any] = np.lib.format.read_array(packed, allow_pickle=False)
    return array


def check_arrays(arrays: Mapping[str, NDArray[Any]], record: Record, where: str) -> None:
    """Raises StoreError naming `where` and the first array that doesn't fit its record, as drawing them would go wrong.

    One value for each training sample, or each test image; classes that there are; thumbnails with their positions.
    """
    data = record["data"]
    for name, values in arrays.items():
        of_samples = name in _SAMPLES or name.startswith("observed_")
        length = data["num_train"] if of_samples else data["num_test"] if name in _TEST else None
        if length is not None and values.shape != (length,):
            raise StoreError(f"{where}: array {name!r} has the shape {values.shape}, but {length} values are due")
        if name in _CLASSES:
            _check_integers(values, data["num_classes"], f"{where}: array {name!r}")
    if "train_probability" in arrays:
        shape, due = arrays["train_probability"].shape, (data["num_train"], data["num_classes"])
        if shape != due:
            raise StoreError(f"{where}: array 'train_probability' has the shape {shape}, but {due} is due")
    for one, other in (("thumbnails", "thumbnail_rows"), ("thumbnail_rows", "thumbnails")):
        if one in arrays and other not in arrays:
            raise StoreError(f"{where}: array {one!r} is there without {other!r}")
    if "thumbnails" in arrays:
        pixels, rows = arrays["thumbnails"], arrays["thumbnail_rows"]
        fits = pixels.ndim == 4 and pixels.dtype == np.uint8 and pixels.shape[3] in (1, 3) and 0 not in pixels.shape[1:]
        if not fits or rows.shape != pixels.shape[:1]:
            raise StoreError(f"{where}: array 'thumbnails' has the shape {pixels.shape} for {rows.shape} positions")
        _check_integers(rows, data["num_train"], f"{where}: array 'thumbnail_rows'")


def _check_integers(values: NDArray[Any], below: int, where: str) -> None:
    if values.dtype.kind not in "iu":
        raise StoreError(f"{where} holds {values.dtype} values, not integers")
    if values.size and not (int(values.min()) >= 0 and int(values.max()) < below):
        raise StoreError(f"{where} holds {int(values.min())} to {int(values.max())}, not 0 to {below - 1}")
