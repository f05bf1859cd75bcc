"""Images and labels in arrays: an .npz file, or a folder of .npy files, with the names that such files usually have.

`images` and `labels` (or `x` and `y`), `clean_labels`, `class_names`; of several splits `train_images`, `test_labels`
(as MedMNIST) or `x_train`, `y_test` (as Keras). Nothing is unpickled.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets.base import DataError, Pixels
from datasets.listing import shown
from datasets.own_import import Imported, Picture
from datasets.own_lists import SPLITS

_ROLES = {"images": "images", "image": "images", "x": "images", "labels": "labels", "label": "labels", "y": "labels",
          "clean_labels": "clean_labels", "clean_label": "clean_labels"}  # fmt: skip
_CLASS_NAMES = "class_names"
ACCEPTED = "images, labels, clean_labels (or x, y), of several splits train_images, test_labels, ...; class_names"
_CHANNELS = (1, 3, 4)


def _opened(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays by name. Raises DataError."""
    try:
        if path.is_dir():
            return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in sorted(path.glob("*.npy"))}
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except Exception as fault:  # what a damaged file makes zip, NumPy and pickle raise is not to be listed
        why = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise DataError(f"{path}: not arrays that can be read: {why}") from None


def _part_of(name: str) -> tuple[str, str] | None:
    """Split and role of an array by its name, or None."""
    plain = name.casefold().replace("-", "_")
    for role_text, role in _ROLES.items():
        for pattern in (rf"(?:([a-z]+)_)?{role_text}", rf"{role_text}_([a-z]+)"):
            match = re.fullmatch(pattern, plain)
            if match and (match[1] or "") in SPLITS:
                return (SPLITS[match[1]] if match[1] else ""), role
    return None


def _labels(values: npt.NDArray[Any], where: str, count: int) -> list[Any]:
    """[count] numbers or texts of a column of labels."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.shape != (count,):
        raise DataError(f"{where}: shape {list(values.shape)}, expected one label for each of the {count} images")
    if flat.dtype.kind in "iu" or flat.dtype.kind == "U":
        return list(flat.tolist())
    raise DataError(f"{where}: type {flat.dtype}, expected whole numbers or texts")


def _pixels(values: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """[N, H, W, C] in the type of the file. Raises DataError for what cannot be images."""
    if values.ndim == 3:
        values = values[..., None]
    elif values.ndim == 4 and values.shape[1] in _CHANNELS:
        if values.shape[3] in _CHANNELS:
            raise DataError(
                f"{where}: shape {list(values.shape)}: channels could be second or last: save them as [N, H, W, C]"
            )
        values = np.moveaxis(values, 1, 3)
    if values.ndim != 4 or values.shape[3] not in _CHANNELS or not values.size:
        raise DataError(f"{where}: shape {list(values.shape)}, expected [N, H, W], [N, H, W, C] or [N, C, H, W]")
    if values.dtype != np.uint8 and values.dtype.kind != "f":
        raise DataError(f"{where}: type {values.dtype}, expected uint8, or floating point in [0, 1]")
    return values


def _png(values: npt.NDArray[Any], where: str) -> bytes:
    from PIL import Image

    if values.dtype != np.uint8:
        if not ((values >= 0) & (values <= 1)).all():
            raise DataError(f"{where}: values outside [0, 1]: save them as uint8, from 0 to 255")
        values = np.rint(values * 255.0).astype(np.uint8)
    eight: Pixels = values[..., 0] if values.shape[2] == 1 else values
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(eight)).save(content, "PNG")
    return content.getvalue()


def _parts(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> dict[str, dict[str, str]]:
    """The names of the arrays by split and role. Raises DataError where one is unknown or missing."""
    parts: dict[str, dict[str, str]] = {}
    for name in arrays:
        part = _part_of(name)
        if part is None:
            if name == _CLASS_NAMES:
                continue
            raise DataError(f"{path}: array {shown(name)!r} is unknown (accepted: {ACCEPTED})")
        split, role = part
        if role in parts.setdefault(split, {}):
            raise DataError(f"{path}: arrays {parts[split][role]!r} and {name!r} are both the {role}: remove one")
        parts[split][role] = name
    for split, roles in parts.items():
        for role in ("images", "labels"):
            if role not in roles:
                raise DataError(f"{path}: no array {f'{split}_{role}'.lstrip('_')!r} (found: {', '.join(arrays)})")
    if not parts:
        raise DataError(f"{path}: no arrays (accepted: {ACCEPTED})")
    return parts


def _named(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> tuple[str, ...]:
    names = arrays.get(_CLASS_NAMES)
    if names is None:
        return ()
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(f"{path}: {_CLASS_NAMES}: expected a list of texts")
    return tuple(map(str, names.tolist()))


def read(path: Path) -> Imported:
    """What the arrays of a file or folder say. Raises DataError, for the pixels of an image when it is reached."""
    arrays = _opened(path)
    parts, names = _parts(arrays, path), _named(arrays, path)

    def pictures() -> Iterator[Picture]:
        for split, roles in parts.items():
            images = _pixels(arrays[roles["images"]], f"{path}: {roles['images']}")
            count = len(images)
            labels, clean = (
                _labels(arrays[roles[role]], f"{path}: {roles[role]}", count) if role in roles else [""] * count
                for role in ("labels", "clean_labels")
            )
            for row, (label, true) in enumerate(zip(labels, clean, strict=True)):
                content = _png(images[row], f"{path}: {roles['images']}, row {row}")
                yield Picture(split, content, ".png", label, true)

    return Imported(pictures, names)
