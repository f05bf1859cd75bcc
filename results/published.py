"""Numbers that papers publish, each with its source and protocol, to stand beside our own.

One CSV file a table in results/published; `load` gives all, or some, or a user's own file. Columns:

| column | meaning |
|---|---|
| key | the table's name: its file's stem, as `--paper` takes it |
| source | where the number was read; never empty |
| table, paper | which table of which paper |
| method, method_title | registry name (or a name of the same form where we don't have the method), and title |
| dataset, test_set | data set, and which of its test sets ("test", "webvision_val", "imagenet_val") |
| noise_model | our name; "own" is the labels that the data set comes with, wrong ones included |
| noise_convention | what the source's noise really is |
| noise_rate | nominal rate, a fraction; NaN where the model takes none |
| network, epochs, selection_rule | as published; "unknown" (epochs: missing) where the source doesn't say |
| metric | "top1" or "top5" accuracy |
| mean, std | percent in the files, fractions in the frame; NaN where not found (the note says so) |
| n, std_kind | runs (missing: unknown); "sample", "population", "unknown" or empty without a deviation |
| note | conflicts between sources, what was not found, what was inferred |
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import unknown
from results.aggregate import RULES
from results.noise_names import HUMAN_LABELS
from results.plain import read_regular, shown
from results.record import StoreError

_MOST_BYTES = 16 * 2**20
FOLDER = Path(__file__).parent / "published"
UNKNOWN = "unknown"
COLUMNS = (
    "source", "table", "paper", "method", "method_title", "dataset", "test_set", "noise_model", "noise_convention",
    "noise_rate", "network", "epochs", "selection_rule", "metric", "mean", "std", "n", "std_kind", "note",
)  # fmt: skip
REQUIRED = ("source", "method", "dataset", "noise_model", "mean")
"""What a user's own file needs at least; the other columns may be absent."""

_DEFAULTS = {"network": UNKNOWN, "selection_rule": UNKNOWN, "metric": "top1", "test_set": "test"}
_CHOICES = {
    "metric": ("top1", "top5"),
    "std_kind": ("", "sample", "population", UNKNOWN),
}
_NUMBERS = {"noise_rate": (0.0, 1.0), "mean": (1.0, 100.0), "std": (0.0, 100.0), "n": (1, 10_000), "epochs": (1, 10**6)}
_WHOLE = ("n", "epochs")
_PLACE = ("source", "table", "method", "dataset", "test_set", "noise_model", "noise_rate", "selection_rule", "metric")


def keys() -> list[str]:
    """Names of the built-in tables, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def load(names: Sequence[str] | None = None, extra: Path | str | None = None) -> pd.DataFrame:
    """The published rows of the named built-in tables (None: all), then those of a user's own CSV file.

    Raises StoreError with one line: unknown name, or the file, line and column at fault.
    """
    for name in names or ():
        if name not in keys():
            raise unknown("published table", name, keys(), error=StoreError)
    chosen = keys() if names is None else list(names)
    files = [FOLDER / f"{name}.csv" for name in chosen] + ([Path(extra)] if extra is not None else [])
    frame = pd.DataFrame([row for file in files for row in read(file)], columns=["key", *COLUMNS])
    return frame.astype({"n": "Int64", "epochs": "Int64"} | dict.fromkeys(("noise_rate", "mean", "std"), "float64"))


def read(file: Path) -> list[dict[str, Any]]:
    """The checked rows of one CSV file. Raises StoreError with one line naming file, line and column."""
    try:
        stream = io.StringIO(read_regular(file, _MOST_BYTES).decode("utf-8-sig"), newline="")
        reader = csv.DictReader(stream, strict=True)
        _check_header(reader.fieldnames, file)
        rows = [_row(line, f"{file}, line {reader.line_num}", file.stem) for line in reader]
    except OSError as fault:
        raise StoreError(f"cannot read {file}: {fault.strerror or fault}") from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise StoreError(f"{file}: no CSV file in UTF-8: {fault}") from None
    _refuse_duplicates(rows, file)
    return rows


def _check_header(names: Sequence[str] | None, file: Path) -> None:
    if not names:
        raise StoreError(f"{file}: the file is empty")
    for name in REQUIRED:
        if name not in names:
            raise StoreError(f"{file}: column {name!r} is missing (needed: {', '.join(REQUIRED)})")
    for name in names:
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS, str(file), error=StoreError)


def _row(line: Mapping[str, Any], where: str, key: str) -> dict[str, Any]:
    if None in line or None in line.values():
        raise StoreError(f"{where}: the number of cells is not that of the header")
    row: dict[str, Any] = {name: (line.get(name) or "").strip() for name in COLUMNS}
    row |= {name: value for name, value in _DEFAULTS.items() if not row[name]}
    row["method_title"] = row["method_title"] or row["method"]
    for name in REQUIRED:
        if not row[name] and not (name == "mean" and row["note"]):
            hint = " (a cell without a number needs a note)" if name == "mean" else ""
            raise StoreError(f"{where}: column {name!r} is empty{hint}")
    for name, accepted in {"selection_rule": (*RULES.names, UNKNOWN), **_CHOICES}.items():
        if row[name] not in accepted:
            known = ", ".join(filter(None, accepted))
            raise StoreError(f"{where}: column {name!r} is {shown(row[name])} (accepted: {known})")
    for name in _NUMBERS:
        row[name] = _number(row[name], name, where)
    for name in ("mean", "std"):
        row[name] = row[name] / 100
    return {"key": key, **row}


def _number(text: str, name: str, where: str) -> Any:
    if not text:
        return None if name in _WHOLE else math.nan
    low, high = _NUMBERS[name]
    try:
        value = int(text) if name in _WHOLE else float(text)
    except ValueError:
        kind = "whole number" if name in _WHOLE else "number"
        raise StoreError(f"{where}: column {name!r} is {shown(text)}, not a {kind}") from None
    if not low <= value <= high:
        unit = " percent" if name in ("mean", "std") else ""
        raise StoreError(f"{where}: column {name!r} is {shown(text)[1:-1]}, not between {low:g} and {high:g}{unit}")
    return value


def _refuse_duplicates(rows: list[dict[str, Any]], file: Path) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(rows, start=1):
        place = tuple(str(row[name]) for name in _PLACE)
        if place in seen:
            raise StoreError(f"{file}, row {number}: says the same cell again as row {seen[place]} ({row['method']})")
        seen[place] = number


@dataclass(frozen=True)
class Difference:
    """A protocol column in which a run and a published number differ; `published` may be "unknown"."""

    column: str
    published: str
    ours: str

    def __str__(self) -> str:
        return f"{self.column}: {self.published} there, {self.ours} here"


def noise_name(run: Mapping[str, Any]) -> str:
    """The noise of a row of `results.load`, human labels by their name in HUMAN_LABELS."""
    options = json.loads(run["noise_specification"])["noise"].get("options")
    key = str(options.get("key")) if isinstance(options, dict) else ""
    return HUMAN_LABELS.get((str(run["dataset"]), key), str(run["noise_model"]))


def matches(published: Mapping[str, Any], run: Mapping[str, Any], select: str) -> list[Difference]:
    """The protocol columns in which a run differs from a published row: empty where the two may be compared.

    published: a row of `load`. run: a row of `results.load`. select: the selection rule of our table. What the source
    doesn't say counts as a difference ("unknown"). The method isn't compared: finding the row is the caller's business.
    """
    epochs = published["epochs"]
    pairs = [
        ("dataset", published["dataset"], run["dataset"]),
        ("noise_model", published["noise_model"], noise_name(run)),
        ("network", published["network"], run["network"]),
        ("epochs", UNKNOWN if pd.isna(epochs) else int(epochs), int(run["epochs"])),
        ("selection_rule", published["selection_rule"], select),
    ]
    if not pd.isna(published["noise_rate"]):
        pairs.insert(2, ("noise_rate", float(published["noise_rate"]), float(run["noise_rate"])))
    if not pd.isna(run["subset"]):
        pairs.insert(1, ("subset", "all images", int(run["subset"])))
    return [Difference(name, str(theirs), str(ours)) for name, theirs, ours in pairs if theirs != ours]


def combined_uncertainty(std: float, n: int, published_std: float, published_n: int | None) -> float:
    """Standard error of the difference of two means; NaN where either's deviation or number of runs is unknown."""
    if pd.isna(published_n) or published_n is None or n < 1:
        return math.nan
    return math.sqrt(std**2 / n + published_std**2 / published_n)
