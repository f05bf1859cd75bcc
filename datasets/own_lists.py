"""The rows of a user's list of images: a table as CSV, TSV or Parquet, or lines "PATH LABEL".

What cannot be told for certain is refused, never guessed: two columns of one meaning, a table without a header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from datasets import listing, text_files
from datasets.base import DataError
from datasets.label_text import is_missing
from datasets.listing import Fault

COLUMNS = ("path", "label", "clean_label", "split")
NEEDED = COLUMNS[:2]
SPLITS = {"": "train", "train": "train", "training": "train", "val": "validation", "valid": "validation",
          "validation": "validation", "test": "test", "testing": "test"}  # fmt: skip
"""What the split of an image may be called -> the split."""
_SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_LOOK_ALIKE = {f"{name}s": name for name in COLUMNS} | {
    "cleanlabel": "clean_label", "cleanlabels": "clean_label", "splitting": "split",
}  # fmt: skip
_MARK = "\ufeff"


class ListEntry(NamedTuple):
    """Where an entry stands, and the text of its columns."""

    where: str
    path: str
    label: str
    clean: str
    split: str


class Table(NamedTuple):
    """The rows of a list, and how it was understood, a line."""

    rows: list[ListEntry]
    reading: str


def _column_name(text: str) -> str:
    return re.sub(r"[-\s]+", "_", text.strip().strip(_MARK).casefold())


def _columns(header: Sequence[str], path: Path) -> dict[str, int]:
    """The place of each known column. Raises DataError where one is missing, or there for the second time."""
    names = [_column_name(name) for name in header]
    columns = ", ".join(listing.shown(name) for name in header)
    for name in COLUMNS:
        alike = [header[place] for place, other in enumerate(names) if _LOOK_ALIKE.get(other, other) == name]
        if len(alike) > 1:
            which = " and ".join(f"'{listing.shown(one)}'" for one in alike)
            raise DataError(f"{path}: columns {which}: which of them is {name!r}? Remove the other (found: {columns})")
        if alike and _column_name(alike[0]) != name:
            raise DataError(f"{path}: column '{listing.shown(alike[0])}': rename it to {name!r}, or to something else")
        if name in NEEDED and not alike:
            hint = text_files.other_file(path) or "the first line of the list must name its columns"
            raise DataError(f"{path}: no column {name!r} (found: {columns}; needed: path, label): {hint}")
    return {name: names.index(name) for name in COLUMNS if name in names}


def _separator(line: str, usual: str) -> str:
    """What separates the columns of a table with this header: the usual, else the one that makes sense of it."""
    for mark in dict.fromkeys((usual, *_SEPARATORS)):
        names = [_column_name(name) for name in next(csv.reader([line], delimiter=mark), [])]
        if set(NEEDED) <= set(names):
            return mark
    return usual


def _told(path: Path, how: str, columns: Iterable[str], header: Sequence[str]) -> str:
    """How a table was understood, in a line."""
    known = list(columns)
    others = [listing.shown(name) or "(no name)" for name in header if _column_name(name) not in COLUMNS]
    rest = f"; not read: {', '.join(others)}" if others else ""
    return f"{path.name}: {how}; columns {', '.join(known)}{rest}"


def _text_table(path: Path, faults: list[Fault]) -> Table:
    encoding = text_files.encoding_of(path).removesuffix("-sig").upper()
    with text_files.opened(path) as stream:
        first = next((line for line in stream if line.strip(_MARK).strip()), "")
    mark = _separator(first.lstrip(_MARK), "\t" if path.suffix == ".tsv" else ",")
    rows = []
    with text_files.opened(path, newline="") as stream:
        reader = csv.reader(stream, delimiter=mark)
        header = next((cells for cells in reader if any(map(str.strip, cells))), [])
        columns = _columns(header, path)
        for cells in reader:
            where = listing.at(path, reader.line_num)
            if len(cells) != len(header):
                if cells:
                    _check_decoded(path, where, cells)
                    what = f"{listing.shown(mark.join(cells))}: {len(cells)} columns, the header has {len(header)}"
                    faults.append(Fault("malformed line", where, what))
                continue
            held = {name: cells[place].strip() for name, place in columns.items()}
            _check_decoded(path, where, [text for name, text in held.items() if name != "path"])
            rows.append(
                ListEntry(where, held["path"], held["label"], held.get("clean_label", ""), held.get("split", ""))
            )
    return Table(rows, _told(path, f"{encoding}, columns separated by {_SEPARATORS[mark]}", columns, header))


def _check_decoded(path: Path, where: str, cells: Sequence[str]) -> None:
    """Refuse labels in an encoding that is not known; names of files may be any bytes."""
    if not all(map(text_files.is_decoded, cells)):
        line = where.rpartition(":")[2]
        raise DataError(f"{path}: not a table of text: line {line} is not UTF-8: save the list as UTF-8")


def _cell(value: Any) -> str:
    """A cell of a Parquet table as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape").strip()
    return "" if value is None else str(value).strip()


def _parquet_table(path: Path) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as fault:
        raise DataError(f"{path}: not a Parquet file: {str(fault).splitlines()[0]}") from None
    columns, types = _columns(table.column_names, path), cast(Any, pyarrow.types)
    for name, place in columns.items():
        if types.is_nested(table.schema.field(place).type):
            raise DataError(f"{path}: column {name!r} holds lists or records, expected text or numbers")
    cells = {name: [_cell(value) for value in table.column(place).to_pylist()] for name, place in columns.items()}
    empty = [""] * len(table)
    held = zip(*(cells.get(name, empty) for name in COLUMNS), strict=True)
    rows = [ListEntry(f"{path.name}, row {number}", *texts) for number, texts in enumerate(held, start=1)]
    return Table(rows, _told(path, "Parquet", columns, table.column_names))


def split_line(text: str, is_there: Callable[[str], bool], is_class: Callable[[str], bool] | None) -> tuple[str, str]:
    """Path and label of a line "PATH LABEL", either of which may hold blanks; no path where nothing parts them.

    They are parted by a tab; else where a file has the path's name, or a class the label's; else at the last blank.
    """
    name, tab, label = text.partition("\t")
    if tab:
        return name.strip(), label.strip()
    words = text.split(" ")
    if len(words) > 2:
        places = [(" ".join(words[:count]).strip(), " ".join(words[count:]).strip()) for count in range(1, len(words))]
        named = [part for part in places if all(part) and is_there(part[0])]
        classed = [part for part in places if all(part) and is_class is not None and is_class(part[1])]
        for fitting in (named, classed):
            if len(fitting) == 1:
                return fitting[0]
    name, _, label = text.rpartition(" ")
    return name.strip(), label


def _lines(path: Path, is_there: Callable[[str], bool], is_class: Callable[[str], bool] | None) -> Table:
    rows = []
    for number, text in listing.lines(path):
        name, label = split_line(text, is_there, is_class)
        _check_decoded(path, listing.at(path, number), [label])
        rows.append(ListEntry(listing.at(path, number), name, label, "", ""))
    encoding = text_files.encoding_of(path).removesuffix("-sig").upper()
    return Table(rows, f"{path.name}: {encoding}, lines of a path and a label")


def read(
    path: Path, faults: list[Fault], is_there: Callable[[str], bool], is_class: Callable[[str], bool] | None
) -> Table:
    """The rows of a list, with the texts that stand for an empty cell emptied, but for labels.

    is_there: whether an image is called so; is_class: whether a class is; None: nobody has named the classes. Raises
    DataError where the file is no list.
    """
    try:
        if path.suffix in (".csv", ".tsv"):
            table = _text_table(path, faults)
        elif path.suffix == ".parquet":
            table = _parquet_table(path)
        elif path.suffix == ".txt":
            table = _lines(path, is_there, is_class)
        else:
            raise DataError(f"{path}: not a list of images (accepted: .csv, .tsv, .parquet, .txt)")
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    except (UnicodeError, csv.Error) as fault:
        raise DataError(f"{path}: not a table of text: {fault}") from None
    known = is_class or (lambda _: False)
    rows = [
        row._replace(clean="") if row.clean and is_missing(row.clean) and not known(row.clean) else row
        for row in table.rows
    ]
    return table._replace(rows=rows)
