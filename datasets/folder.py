"""Your own images: a list of them as CSV, TSV or Parquet, or as lines "PATH LABEL".

A table has the columns path and label, and may have clean_label (the true class) and split (train, validation, test).
Paths are relative to the list's folder, or to images/ in it. Labels are numbers or names; `classes.txt` beside the
list, one name a line, says which classes there are and in which order. Without test images in the list, a fifth of the
training images is held out as the test set, chosen by their names alone.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets import listing
from datasets.base import DataError, DataSetInfo
from datasets.listing import Fault, Listing, Part, Sources

FOLDERS: tuple[str, ...] = ()
LISTS = ("labels.csv", "labels.parquet", "labels.tsv", "labels.txt")
COLUMNS = ("path", "label", "clean_label", "split")
TEST_SHARE = 0.2
_SPLITS = {"": "train", "train": "train", "training": "train", "val": "validation", "valid": "validation",
           "validation": "validation", "test": "test", "testing": "test"}  # fmt: skip
_NUMBER = re.compile(r"-?\d{1,4000}")  # what int() takes: it refuses longer ones, and digits such as ²
_PROBED = 50  # names that are looked for, to find out which folder they are relative to

INFO = DataSetInfo(
    name="folder",
    title="Own images",
    version=1,
    num_classes=0,
    num_train=0,
    num_test=0,
    image_shape=(224, 224, 3),
    resize=256,
    description="your own images with a list of their labels (CSV, TSV, Parquet or text): see docs/own-data.md",
    class_names=(),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    own_labels=True,
    truth=False,
)

Row = tuple[str, str, str, str, str]  # where it stands, and the text of the four columns


def find(folder: Path, file: str | None) -> Sources:
    """The list: the one called `file`, else the first of the usual names; and classes.txt if it is there."""
    names = LISTS if file is None else (file,)
    there = [folder / name for name in names if (folder / name).is_file()]
    if not there:
        return Sources(folder, {}, (" or ".join(names),))
    files = {"list": there[0]}
    if (folder / "classes.txt").is_file():
        files["classes"] = folder / "classes.txt"
    return Sources(folder, files)


def title(sources: Sources) -> str:
    """What tables call the data: the list's name, or the folder's where the list has the usual name."""
    path = sources.files["list"]
    return path.stem if path.name not in LISTS else sources.folder.resolve().name


def _checked_columns(columns: Sequence[str], path: Path) -> None:
    lacking = [name for name in COLUMNS[:2] if name not in columns]
    if lacking:
        raise DataError(f"{path}: no column {lacking[0]!r} (found: {', '.join(columns)}; needed: path, label)")


def _table_rows(path: Path, faults: list[Fault]) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
            header = [name.strip() for name in next(reader, [])]
            _checked_columns(header, path)
            for cells in reader:
                where = listing.at(path, reader.line_num)
                if len(cells) != len(header):
                    if cells:
                        faults.append(Fault("malformed line", where, listing.shown(",".join(cells))))
                    continue
                held = dict(zip(header, map(str.strip, cells), strict=True))
                yield where, held["path"], held["label"], held.get("clean_label", ""), held.get("split", "")
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise DataError(f"{path}: not a table of text: {fault}") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as fault:
        raise DataError(f"{path}: not a Parquet file: {str(fault).splitlines()[0]}") from None
    _checked_columns(table.column_names, path)
    columns: list[Any] = [
        table[name].to_pylist() if name in table.column_names else [None] * len(table) for name in COLUMNS
    ]
    for number, cells in enumerate(zip(*columns, strict=True), start=1):
        name, label, clean, split = ("" if cell is None else str(cell).strip() for cell in cells)
        yield f"{path.name}, row {number}", name, label, clean, split


def _text_rows(path: Path) -> Iterator[Row]:
    for number, text in listing.lines(path):
        name, _, label = text.rpartition(" ")
        yield listing.at(path, number), name.strip(), label, "", ""


def _rows(path: Path, faults: list[Fault]) -> Iterator[Row]:
    if path.suffix in (".csv", ".tsv"):
        return _table_rows(path, faults)
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    if path.suffix == ".txt":
        return _text_rows(path)
    raise DataError(f"{path}: not a list of images (accepted: .csv, .tsv, .parquet, .txt)")


def _classes(rows: Sequence[Row], sources: Sources, faults: list[Fault]) -> dict[str, int]:
    """Number of each class, by the text of a label: the lines of classes.txt, or all labels, numbers by their value.

    With classes.txt a label may be a name or a number.
    """
    if "classes" in sources.files:
        names = listing.read_names(sources.files["classes"], faults)
        numbered = {str(number): number for number in range(len(names))}
        return numbered | {name: number for number, name in enumerate(names)}
    found = {text for row in rows for text in row[2:4] if text}
    if all(map(_NUMBER.fullmatch, found)):
        return {text: number for number, text in enumerate(sorted((t for t in found if int(t) >= 0), key=int))}
    return {text: number for number, text in enumerate(sorted(found))}


def _fault_of(row: Row, classes: dict[str, int], seen: set[str]) -> str | None:
    """What is wrong with an entry of the list, or None."""
    _, name, label, clean, split = row
    if not label or not listing.is_inside(name) or split not in _SPLITS:
        return "malformed line"
    if name in seen:
        return "duplicate key"
    if label not in classes or (clean and clean not in classes):
        return "class out of range"
    return None


def _is_held_out(name: str) -> bool:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < TEST_SHARE * 2**64


def _images(folder: Path, rows: Sequence[Row]) -> Path:
    """The folder that the names are relative to: the list's own, or images/ in it."""
    probed = [row[1] for row in rows[:_PROBED] if listing.is_inside(row[1])]
    beside, below = (sum((base / name).is_file() for name in probed) for base in (folder, folder / "images"))
    return folder / "images" if below > beside else folder


def read(sources: Sources) -> Listing:
    """The splits of the list; a training or test image without its true class gets -1 there."""
    faults: list[Fault] = []
    path = sources.files["list"]
    rows = list(_rows(path, faults))
    classes = _classes(rows, sources, faults)
    images = _images(sources.folder, rows)
    parts = {split: Part(images, clean=[]) for split in ("train", "validation", "test")}
    hold_out = not any(_SPLITS.get(row[4]) == "test" for row in rows)
    seen: set[str] = set()
    for row in rows:
        where, name, label, clean, split = row
        kind = _fault_of(row, classes, seen)
        seen.add(name)
        if kind is not None:
            faults.append(Fault(kind, where, listing.shown(",".join(filter(None, row[1:])))))
            continue
        held_out = hold_out and _SPLITS[split] == "train" and _is_held_out(name)
        part = parts["test" if held_out else _SPLITS[split]]
        part.names.append(name)
        part.labels.append(classes[label])
        assert part.clean is not None
        part.clean.append(classes[clean] if clean else -1)
    names = {number: name for name, number in classes.items()}
    kept = {split: part for split, part in parts.items() if part.names}
    return Listing(kept, faults, tuple(names[number] for number in sorted(names)))
