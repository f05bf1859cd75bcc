"""Images that lie in other forms (arrays, tables of a library) as a folder of files with a list: `labels.csv`.

The folder is then a data set like any other of own images: `data check folder`, `run`, `suspects` take it.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from common import files
from datasets.base import DataError
from datasets.listing import LONGEST
from datasets.text_files import has_controls

HEADER = ("path", "label", "clean_label", "split")


class Picture(NamedTuple):
    """An image: the content of its file, how that ends, and its labels: numbers, or texts ("": not known)."""

    split: str
    content: bytes
    ending: str
    label: str | int
    clean: str | int


@dataclass(frozen=True)
class Imported:
    """What lies somewhere. pictures: gives the images, one after the other; class_names: empty where nobody says."""

    pictures: Callable[[], Iterator[Picture]]
    class_names: tuple[str, ...] = ()

    def named(self, label: str | int) -> str:
        """The class of a label, by its name where there are names. Raises DataError.

        A number is a place among the names, also where one of them reads like it; a text may be either.
        """
        if not self.class_names or label in self.class_names or label == "":
            return str(label)
        number = label if isinstance(label, int) else _number(label)
        if not 0 <= number < len(self.class_names):
            text = str(label)
            told = text if len(text) <= LONGEST else text[:LONGEST] + "..."
            raise DataError(f"label {told!r} is no class: there are {len(self.class_names)}, numbered from 0")
        return self.class_names[number]


def _number(text: str) -> int:
    """The whole number that a label is; -1 where it is none, or has more digits than Python's int takes."""
    try:
        return int(text) if text.removeprefix("-").isdecimal() else -1
    except ValueError:
        return -1


def table(rows: list[tuple[str, ...]], header: tuple[str, ...] = HEADER) -> bytes:
    """A list of images as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def write(target: Path, imported: Imported) -> dict[str, int]:
    """Write the folder, whole or not at all; returns how many images there are of each split ("": none is named).

    Raises DataError, also where something is at `target`; OSError.
    """
    if target.exists():
        raise DataError(f"{target}: is there already: name a folder that is not there")
    for name in imported.class_names:
        if has_controls(name) or name != name.strip():
            raise DataError(f"class {name!r}: a name with control characters, or blanks around it")
    with files.temporary(target) as temporary:
        rows: list[tuple[str, ...]] = []
        counts: Counter[str] = Counter()
        for picture in imported.pictures():
            part = picture.split or "all"
            path = temporary / "images" / part / f"{counts[picture.split]:06}{picture.ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.content)
            labels = (imported.named(picture.label), imported.named(picture.clean))
            rows.append((path.relative_to(temporary).as_posix(), *labels, picture.split))
            counts[picture.split] += 1
        if not rows:
            raise DataError("there are no images")
        (temporary / "labels.csv").write_bytes(table(rows))
        if imported.class_names:
            (temporary / "classes.txt").write_text("".join(f"{name}\n" for name in imported.class_names), "utf-8")
        temporary.rename(target)
    return dict(counts)
