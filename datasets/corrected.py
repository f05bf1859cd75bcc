"""A list of own images with the labels that somebody has corrected: what a review of suspects becomes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import did_you_mean
from datasets import label_tables, own_import
from datasets.base import DataError
from datasets.index import Index
from datasets.listing import shown

NEEDED = ("image", "given", "label")
_GUARDED = ("'=", "'+", "'-", "'@")  # how a review writes what a spreadsheet would compute


@dataclass(frozen=True)
class Corrections:
    """rows: those of the new list. How many images were looked at, given another label, and left out."""

    rows: list[tuple[str, ...]]
    reviewed: int
    changed: int
    left_out: int

    @property
    def content(self) -> bytes:
        """The list as CSV."""
        return own_import.table(self.rows)


def _plain(text: str) -> str:
    return text[1:] if text.startswith(_GUARDED) else text


def decisions(path: Path) -> dict[str, tuple[str, str]]:
    """What a review says of each image: the label that was given, and the right one, "" where it is to be left out.

    Raises DataError where the file is no review.
    """
    try:
        table = label_tables.read(path)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    names = table.names or []
    for name in NEEDED:
        if names.count(name) != 1:
            raise DataError(f"{path}: {names.count(name)} columns {name!r} (needed: {', '.join(NEEDED)}, each once)")
    reviewed: dict[str, tuple[str, str]] = {}
    for image, given, label in zip(*(table.column(names.index(name)) for name in NEEDED), strict=True):
        if _plain(image) in reviewed:
            raise DataError(f"{path}: image {shown(image)!r}: twice")
        reviewed[_plain(image)] = _plain(given), _plain(label)
    return reviewed


def _check(path: Path, image: str, said: tuple[str, str], given: str, classes: tuple[str, ...]) -> None:
    """Raise DataError where a decision does not fit the list."""
    before, label = said
    if before != given:
        raise DataError(f"{path}: image {shown(image)!r}: its label is {given!r}, the review was of {shown(before)!r}")
    if label and label not in classes:
        hint = did_you_mean(label, classes)
        some = ", ".join(map(shown, classes[:5])) + (", ..." if len(classes) > 5 else "")
        raise DataError(f"{path}: image {shown(image)!r}: label {shown(label)!r} is no class{hint} (accepted: {some})")


def _listed(index: Index, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, path, label, second label ("": none) and split of each image."""
    names = index.class_names
    for part, split in sorted(index.splits.items(), key=lambda one: ("train", "validation", "test").index(one[0])):
        for row in range(len(split.names)):
            clean = -1 if split.clean is None else int(split.clean[row])
            path = os.path.relpath(split.folder / split.names[row], folder).replace(os.sep, "/")
            yield split.names[row], path, names[int(split.labels[row])], names[clean] if clean >= 0 else "", part


def apply(path: Path, said: Mapping[str, tuple[str, str]], index: Index, folder: Path) -> Corrections:
    """The list of all images with the decisions of the review at `path`: somebody has looked at those, so that the
    right label is their `clean_label` too. Images that are held out for the test are so by name from now on.

    Raises DataError where the review names an image that is not there, or fits the list not.
    """
    rows: list[tuple[str, ...]] = []
    left, changed, left_out = dict(said), 0, 0
    for name, place, label, clean, split in _listed(index, folder):
        decision = left.pop(name, None)
        if decision is not None:
            _check(path, name, decision, label, index.class_names)
            changed += decision[1] not in ("", label)
            left_out += not decision[1]
            if not decision[1]:
                continue
            label = clean = decision[1]
        rows.append((place, label, clean, split))
    if left:
        raise DataError(f"{path}: image {shown(next(iter(left)))!r} is not in the list")
    return Corrections(rows, len(said), changed, left_out)
