"""A data set that Hugging Face's library has saved on disk (`save_to_disk`), read as the Arrow files that it is.

That library's package is called `datasets`, as this one is, so it cannot be imported beside it, and need not be: a
folder of it is `state.json`, which names the files, and Arrow streams whose schema says what the columns are; of
several splits, `dataset_dict.json` names their folders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import did_you_mean
from datasets.base import DataError
from datasets.listing import is_inside, shown
from datasets.own_import import Imported, Picture
from datasets.own_lists import SPLITS
from datasets.trees import ENDINGS

STATE, PARTS = "state.json", "dataset_dict.json"
_MAGIC = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


@dataclass(frozen=True)
class Columns:
    """Which columns hold the image, its label and its second label; None: those that can be told for certain."""

    image: str | None = None
    label: str | None = None
    clean: str | None = None


def is_saved(path: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return (path / STATE).is_file() or (path / PARTS).is_file()


def _json(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise DataError(f"{path}: cannot be read: {fault}") from None
    if not isinstance(held, dict):
        raise DataError(f"{path}: expected an object")
    return held


def _folders(path: Path) -> dict[str, Path]:
    """The folder of each split; of one that has no name, the data set's own."""
    if not (path / PARTS).is_file():
        return {"": path}
    names = [str(name) for name in _json(path / PARTS).get("splits", [])]
    if not names or not all(map(is_inside, names)):
        raise DataError(f"{path / PARTS}: names no splits")
    for name in names:
        if name not in SPLITS:
            accepted = "accepted: train, validation, test"
            raise DataError(f"{path}: split {shown(name)!r} ({accepted}): save the splits that are meant as these")
    return {name: path / name for name in names}


def _files(folder: Path) -> list[Path]:
    """The Arrow files of a split, in their order."""
    state = _json(folder / STATE)
    if state.get("_indices_data_files"):
        raise DataError(f"{folder}: rows in an order of their own: call flatten_indices() before save_to_disk()")
    names = [str(one.get("filename", "")) for one in state.get("_data_files", []) if isinstance(one, dict)]
    if not names or not all(map(is_inside, names)):
        raise DataError(f"{folder / STATE}: names no files")
    return [folder / name for name in names]


def _features(schema: Any, path: Path) -> Mapping[str, Mapping[str, Any]]:
    """What the library says of each column, from the schema that it wrote."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return {str(name): kind if isinstance(kind, dict) else {} for name, kind in features.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"{path}: its columns are not described: not written by save_to_disk") from None


def _column(features: Mapping[str, Mapping[str, Any]], wanted: str | None, kind: str, option: str, path: Path) -> str:
    """The column that is wanted, else the only one of its kind. Raises DataError."""
    if wanted is not None:
        if wanted not in features:
            columns = ", ".join(map(shown, features))
            raise DataError(f"{path}: {option} {wanted!r}{did_you_mean(wanted, tuple(features))} (found: {columns})")
        return wanted
    fitting = [name for name, one in features.items() if one.get("_type") == kind]
    usual = [name for name in fitting if name in ("label", "image")]
    if len(usual) == 1 or len(fitting) == 1:
        return (usual if len(usual) == 1 else fitting)[0]
    which = f"{len(fitting)} columns are of type {kind}" if fitting else f"no column is of type {kind}"
    raise DataError(f"{path}: {which}: name it by {option} (found: {', '.join(map(shown, features))})")


def _batches(path: Path) -> Iterator[Any]:
    """The record batches of an Arrow stream. Raises DataError."""
    import pyarrow
    from pyarrow import ipc

    try:
        with pyarrow.memory_map(str(path)) as source, ipc.open_stream(source) as stream:
            yield from stream
    except (OSError, pyarrow.ArrowException) as fault:
        raise DataError(f"{path}: not an Arrow stream: {str(fault).splitlines()[0]}") from None


def _ending(content: bytes, name: object) -> str:
    """How a file of this content is called: as it was, else by how it begins."""
    suffix = Path(str(name or "")).suffix.lower()
    if suffix in ENDINGS:
        return suffix
    return next((ending for magic, ending in _MAGIC.items() if content.startswith(magic)), ".img")


def _label(value: Any, where: str, column: str) -> str | int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"{where}: column {column!r}: {shown(repr(value))} is no label")
    return value


def _rows(split: str, path: Path, chosen: Columns) -> Iterator[Picture]:
    row = 0
    for batch in _batches(path):
        names = [name for name in (chosen.image, chosen.label, chosen.clean) if name is not None]
        for held in batch.select(names).to_pylist():
            image, where = held[str(chosen.image)], f"{path}, row {row}"
            content = image.get("bytes") if isinstance(image, dict) else None
            if not isinstance(content, bytes):
                raise DataError(f"{where}: column {chosen.image!r} holds no image (its file was not saved with it)")
            label = _label(held[str(chosen.label)], where, str(chosen.label))
            true = None if chosen.clean is None else held[chosen.clean]
            clean = "" if true is None else _label(true, where, str(chosen.clean))
            yield Picture(split, content, _ending(content, image.get("path")), label, clean)
            row += 1


def read(path: Path, wanted: Columns) -> Imported:
    """What a saved data set says. Raises DataError, for an image when it is reached."""
    from pyarrow import ipc

    files = {split: _files(folder) for split, folder in _folders(path).items()}
    first = next(iter(files.values()))[0]
    try:
        with first.open("rb") as source, ipc.open_stream(source) as stream:
            schema: Any = stream.schema
    except (OSError, ValueError) as fault:  # pyarrow's are of these kinds
        raise DataError(f"{first}: not an Arrow stream: {str(fault).splitlines()[0]}") from None
    features = _features(schema, first)
    image = _column(features, wanted.image, "Image", "--image", path)
    label = _column(features, wanted.label, "ClassLabel", "--label", path)
    clean = None if wanted.clean is None else _column(features, wanted.clean, "", "--clean-label", path)
    chosen = Columns(image, label, clean)

    def pictures() -> Iterator[Picture]:
        for split, parts in files.items():
            for part in parts:
                yield from _rows(split, part, chosen)

    names = features[label].get("names") or ()
    if clean is not None and (features[clean].get("names") or ()) != names:
        raise DataError(f"{path}: columns {label!r} and {clean!r} have other classes each")
    return Imported(pictures, tuple(map(str, names)))
