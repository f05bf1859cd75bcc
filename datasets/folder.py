"""Your own images: a list of them as CSV, TSV or Parquet, or as lines "PATH LABEL"; or a tree of folders, one a class.

A table has the columns path and label, and may have clean_label (the true class) and split (train, validation, test).
Paths are relative to the list's folder, or to images/ in it. Labels are numbers or names; `classes.txt` beside the
list, one name a line, says which classes there are and in which order. Without test images in the list, a fifth of the
training images is held out as the test set, chosen by their names alone.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from datasets import image_names, label_text, listing, own_lists, text_files, trees
from datasets.base import DataError
from datasets.data_contract import PHOTOGRAPHS, DataSetPlugin, Lists
from datasets.image_names import Finder
from datasets.label_text import Classes, is_missing
from datasets.listing import Fault, Listing, Part, Sources
from datasets.own_lists import SPLITS, ListEntry
from datasets.text_files import has_controls

LISTS = ("labels.csv", "labels.parquet", "labels.tsv", "labels.txt")
TEST_SHARE = 0.2
_PROBED = 50  # names that are looked for, to find out which folder they are relative to
_SHOWN = 3  # rows that are shown as they were read

INFO = replace(
    PHOTOGRAPHS,
    name="folder",
    title="Own images",
    version=2,
    description="your own images with a list of their labels (CSV, TSV, Parquet or text), or in a folder for each "
    "class: see docs/own-data.md",
)


def find(folder: Path, file: str | None) -> Sources:
    """The list: the one called `file`, else the first of the usual names, else the folders of a tree; and classes.txt
    if it is there.
    """
    names = LISTS if file is None else (file,)
    there = [folder / name for name in names if (folder / name).is_file()]
    files = {"list": there[0]} if there else trees.find(folder) if file is None else {}
    if not files:
        return Sources(folder, {}, (" or ".join(names) + (", or a folder for each class" if file is None else ""),))
    missing: tuple[str, ...] = ()
    if (folder / "classes.txt").is_file():
        files["classes"] = folder / "classes.txt"
    elif os.path.lexists(folder / "classes.txt"):
        missing = ("classes.txt (what is called so is no regular file)",)
    others = ", ".join(path.name for path in there[1:])
    remarks = (f"{there[0].name} is read; there too, and not read: {others}",) if others else ()
    return Sources(folder, files, missing, remarks)


def title(sources: Sources) -> str:
    """What tables call the data: the list's name, or the folder's where the list has the usual name; printable."""
    path = sources.files.get("list")
    return listing.shown(sources.folder.resolve().name if path is None or path.name in LISTS else path.stem)


def _named_classes(path: Path, faults: list[Fault]) -> list[str]:
    """The lines of classes.txt: texts, whatever they look like."""
    classes: dict[str, str] = {}
    for number, text in listing.lines(path):
        if not text_files.is_decoded(text):
            raise DataError(f"{path}: not a list of classes: line {number} is not UTF-8: save it as UTF-8")
        if has_controls(text):
            faults.append(Fault("malformed line", listing.at(path, number), listing.shown(text)))
        elif label_text.key_of(text) in classes:
            faults.append(Fault("duplicate key", listing.at(path, number), listing.shown(text)))
        else:
            classes[label_text.key_of(text)] = text
    return list(classes.values())


def _classes(rows: Sequence[ListEntry], names: Sequence[str] | None, path: Path) -> Classes:
    """The classes that `names` says, else all labels; a true label alone makes none, as it may be misspelt."""
    if names is not None:
        known = set(map(label_text.key_of, names))
        said = (text for row in rows for text in (row.label, row.clean) if text)
        texts = {text for text in said if not is_missing(text) or label_text.key_of(text) in known}
        return label_text.from_names(names, texts, path)
    used = {row.label for row in rows if not is_missing(row.label) and not has_controls(row.label)}
    keys = set(map(label_text.key_of, used))
    true = {row.clean for row in rows if row.clean and label_text.key_of(row.clean) in keys}
    return label_text.from_labels(used | true, path)


def _fault_of(row: ListEntry, classes: Classes) -> tuple[str, str] | None:
    """What is wrong with an entry of the list: the kind, and which value it is; or None."""
    if (wrong := image_names.fault_of(row.path)) is not None:
        return "malformed line", wrong
    if row.split.casefold() not in SPLITS:
        return "malformed line", f"split '{listing.shown(row.split)}' (accepted: train, validation, test)"
    if has_controls(row.label):
        return "malformed line", "a label that holds control characters"
    if classes.number(row.label) is None and is_missing(row.label):
        return "malformed line", f"no label (a class that is called {row.label!r} must stand in classes.txt)"
    for column, text in (("label", row.label), ("clean_label", row.clean)):
        if text and classes.number(text) is None:
            known = f"is no class: {_known(classes)}"
            if column != "label":
                known = "is no label of this list and not in classes.txt"
            return "class out of range", f"{column} '{listing.shown(text)}' {known}"
    return None


def _known(classes: Classes) -> str:
    """What a label may be, in a few words."""
    some = ", ".join(map(listing.shown, classes.names[:_SHOWN])) + (", ..." if len(classes.names) > _SHOWN else "")
    return f"accepted are {some}, or their numbers from 0 on"


def _is_held_out(name: str) -> bool:
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < TEST_SHARE * 2**64


class _Images:
    """The folder that the names of a list are relative to: the list's own, or images/ in it."""

    def __init__(self, folder: Path) -> None:
        self.finders = [Finder(folder), Finder(folder / "images")]

    def is_there(self, name: str) -> bool:
        return image_names.fault_of(name) is None and any(finder.find(name) is not None for finder in self.finders)

    def chosen(self, rows: Sequence[ListEntry]) -> Finder:
        probed = [row.path for row in rows[:_PROBED] if image_names.fault_of(row.path) is None]
        beside, below = (finder.count(probed) for finder in self.finders)
        return self.finders[below > beside]


def _told(row: ListEntry) -> str:
    held = row._asdict()
    cells = (f"{name} {listing.shown(held[name])}" for name in ("path", "label", "clean", "split") if held[name])
    return f"{row.where}: {', '.join(cells)}"


def _not_read(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """How many there are and which, a line, where there are any."""
    if not names:
        return ()
    some = ", ".join(map(listing.shown, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
    return (f"{len(names)} {what}: {some}",)


def _entries(
    sources: Sources, names: Sequence[str] | None, places: _Images, faults: list[Fault]
) -> tuple[own_lists.Table, tuple[str, ...]]:
    """The entries of the list or of the tree, and what a reader should know of how they were taken."""
    if trees.is_tree(sources.files):
        table, others, outside = trees.read(sources.folder, sources.files, faults)
        return table, (
            *_not_read("files are called as no image is, and not read", others),
            *_not_read("images or folders of images lie outside of the classes' folders, and are not read", outside),
        )
    known = None if names is None else set(map(label_text.key_of, names))
    is_class = None if known is None else (lambda text: label_text.key_of(text) in known)
    return own_lists.read(sources.files["list"], faults, places.is_there, is_class), ()


def _second(parts: Mapping[str, Part]) -> tuple[str, ...]:
    """How often a second label is there, and how often it is another one: a line, where there are any."""
    pairs = [pair for part in parts.values() for pair in zip(part.labels, part.clean or (), strict=True)]
    known = [label != clean for label, clean in pairs if clean >= 0]
    if not known:
        return ()
    share = f"other than label for {sum(known):,} of them ({100 * sum(known) / len(known):.1f}%)"
    return (f"clean_label: there for {len(known):,} of {len(pairs):,} images, {share}",)


def read(sources: Sources) -> Listing:
    """The splits of the list; a training or test image without its true class gets -1 there."""
    faults: list[Fault] = []
    path, places = sources.files.get("list", sources.folder), _Images(sources.folder)
    names = _named_classes(sources.files["classes"], faults) if "classes" in sources.files else None
    (rows, reading), remarks = _entries(sources, names, places, faults)
    classes, images = _classes(rows, names, path), places.chosen(rows)
    parts = {split: Part(images.folder, clean=[]) for split in ("train", "validation", "test")}
    hold_out = not any(SPLITS.get(row.split.casefold()) == "test" for row in rows)
    seen: set[str] = set()
    absent = 0
    for row in rows:
        there = None
        fault = _fault_of(row, classes)
        if fault is None:
            there = images.find(row.path)
            name = there or image_names.plain(row.path)
            fault = ("duplicate key", "the same image as in a line before") if name in seen else None
            seen.add(name)
        if fault is not None:
            line = listing.shown(",".join(filter(None, row[1:])))
            faults.append(Fault(fault[0], row.where, f"{line}: {fault[1]}"))
            continue
        absent += there is None
        split = SPLITS[row.split.casefold()]
        held_out = hold_out and split == "train" and _is_held_out(name)
        part = parts["test" if held_out else split]
        part.names.append(name)
        part.labels.append(classes.numbers[label_text.key_of(row.label)])
        assert part.clean is not None
        part.clean.append(classes.numbers[label_text.key_of(row.clean)] if row.clean else -1)
    return Listing(
        {split: part for split, part in parts.items() if part.names},
        faults,
        classes.names,
        reading=(reading, *map(_told, rows[:_SHOWN]), *_second(parts)),
        remarks=(*classes.remarks, *remarks),
        own=True,
        absent=absent,
    )


DATA_SET = DataSetPlugin(INFO, lists=Lists((), find, read, title, own_images=True))
