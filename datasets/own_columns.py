"""A table whose columns are called otherwise, or that has several labels an image, as a list of this suite's form."""

from __future__ import annotations

from pathlib import Path

from common.errors import did_you_mean
from datasets import label_tables, own_import
from datasets.arrow_tables import Columns
from datasets.base import DataError
from datasets.listing import shown

_USUAL = Columns("path", "label", None)


def _place(table: label_tables.Table, wanted: str, option: str) -> int:
    """The column that is called so, once. Raises DataError."""
    names = table.names or []
    if names.count(wanted) == 1:
        return names.index(wanted)
    header = ", ".join(map(shown, names)) or "no header line"
    which = f"{names.count(wanted)} columns" if wanted in names else "no column"
    raise DataError(f"{table.path}: {which} {wanted!r}{did_you_mean(wanted, names)}: name it by {option} ({header})")


def rewritten(path: Path, wanted: Columns) -> tuple[bytes, int]:
    """The list as CSV, and how many lines it has. A column called `split` is taken over. Raises DataError."""
    try:
        table = label_tables.read(path)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    places = [
        _place(table, wanted.image or str(_USUAL.image), "--image"),
        _place(table, wanted.label or str(_USUAL.label), "--label"),
    ]
    header = ["path", "label"]
    if any(len(row) != table.width for row in table.rows):  # as of a comma in a name: columns would be others
        raise DataError(f"{path}: rows of unequal length")
    if wanted.clean is not None:
        places.append(_place(table, wanted.clean, "--clean-label"))
        header.append("clean_label")
    if table.places(["split"]):
        places.append(table.places(["split"])[0])
        header.append("split")
    rows = list(zip(*map(table.column, places), strict=True))
    return own_import.table(rows, tuple(header)), len(rows)
