"""Where records are read from: a store, a folder of record files, a .jsonl file, or a folder of .jsonl files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from common.errors import shortened
from common.plan import Plan
from common.record import Record
from results.health import is_divergence
from results.layout import (
    ARRAYS_SUFFIX,
    LINES_DIVERGED_SUFFIX,
    LINES_PLAN_SUFFIX,
    LINES_SUFFIX,
    RECORD_SUFFIX,
    Layout,
)
from results.plain import parse, read_regular
from results.record import StoreError
from results.storage import storage
from results.store import Store, read_plan, read_record
from results.validation import loads

_ADDRESS = re.compile("[0-9a-f]{64}")
Report = Callable[[str], None]
"""Is told, in one line each, which records could not be read."""


def warn(line: str) -> None:
    """The default way to report a record that could not be read: a Python warning."""
    warnings.warn(line, stacklevel=3)


@dataclass(frozen=True)
class Source:
    """What was found at a path. `store` is set where a cache and plans lie beside the records."""

    path: Path
    store: Store | None
    record_files: tuple[Path, ...]
    line_files: tuple[Path, ...]

    def plans(self) -> dict[str, Plan]:
        """Suite name -> plan. Raises StoreError naming a malformed file."""
        if self.store is not None:
            return self.store.plans()
        plans = {}
        for file in self.line_files:
            beside = file.with_name(file.stem + LINES_PLAN_SUFFIX)
            if beside.is_file():
                plans[file.stem] = read_plan(beside, file.stem)
        return plans

    def failures(self) -> dict[str, str]:
        """Address -> traceback of failed runs: all of a store, those that diverged of files of lines.

        Raises StoreError naming a malformed file.
        """
        if self.store is not None:
            return self.store.failures()
        files = (file.with_name(file.stem + LINES_DIVERGED_SUFFIX) for file in self.line_files)
        return {address: line for file in files if file.is_file() for address, line in _diverged(file).items()}

    def arrays_path(self, address: str) -> Path:
        """Where the arrays of a record would lie."""
        if self.store is not None:
            return self.store.arrays_path(address)
        return (self.path if self.path.is_dir() else self.path.parent) / f"{address}{ARRAYS_SUFFIX}"

    def records(self, report: Report = warn) -> Iterator[Record]:
        """All whole records, each once; the others are reported in one line each and left out."""
        seen: set[str] = set()
        files = (record for _, record in read_files(self.record_files, report, named=self.store is not None))
        for record in chain(files, *(_lines(file, report) for file in self.line_files)):
            if record["address"] not in seen:
                seen.add(record["address"])
                yield record


def find(path: Path | str) -> Source:
    """What lies at `path`. Raises StoreError with one line where nothing there can hold records."""
    path = Path(path)
    with storage(path, "read"):
        return _source_at(path)


def _source_at(path: Path) -> Source:
    if path.is_file():
        if path.suffix == LINES_SUFFIX:
            return Source(path, None, (), (path,))
        if path.suffix == RECORD_SUFFIX:
            return Source(path, None, (path,), ())
        raise StoreError(f"{path}: not a file of records (accepted: .jsonl, or one record's .json)")
    if not path.is_dir():
        what = "neither a regular file nor a folder" if path.exists() else "no such file or folder"
        raise StoreError(f"{path}: {what}")
    if path == Layout(path.parent).records and not Layout(path).records.is_dir() and not _holds_lines_alone(path):
        path = path.parent
    layout = Layout(path)
    if layout.records.is_dir() or layout.plans.is_dir():
        return Source(path, Store(path), tuple(_named(layout.records, RECORD_SUFFIX)), ())
    if lines := _named(path, LINES_SUFFIX):
        return Source(path, None, (), tuple(lines))
    if files := _named(path, RECORD_SUFFIX):
        return Source(path, None, tuple(files), ())
    raise StoreError(f"{path}: holds no records (expected records/*.json, *.json or *.jsonl in it)")


def _holds_lines_alone(folder: Path) -> bool:
    """Whether a folder called `records` is no store's, but one of .jsonl files."""
    return bool(_named(folder, LINES_SUFFIX)) and not _named(folder, RECORD_SUFFIX)


def read_files(files: tuple[Path, ...], report: Report, named: bool) -> Iterator[tuple[Path, Record]]:
    """Each whole record with its file; the others are reported. `named`: a file must be called by its address."""
    for file in files:
        try:
            record = read_record(file)
            if named and file.stem != record["address"]:
                raise StoreError(f"{file}: the file's name is not its record's address {record['address']}")
        except StoreError as fault:
            report(str(fault))
            continue
        yield file, record


def _content(file: Path) -> bytes:
    with storage(file, "read"):
        return read_regular(file)


def _diverged(file: Path) -> dict[str, str]:
    told = parse(_content(file), str(file))
    for address, line in told.items():
        if not _ADDRESS.fullmatch(address):
            raise StoreError(f"{file}: key {shortened(address)!r}: accepted: a run's address, 64 hexadecimal digits")
        if not (isinstance(line, str) and line.isprintable() and is_divergence(line)):
            raise StoreError(f"{file}: key {address!r}: accepted: a line that begins with FloatingPointError")
    return told


def _named(folder: Path, suffix: str) -> list[Path]:
    if not folder.is_dir():
        return []
    with storage(folder, "read"):
        files = [file for file in folder.iterdir() if file.suffix == suffix and not file.name.startswith(".")]
    beside = (LINES_PLAN_SUFFIX, LINES_DIVERGED_SUFFIX)
    return sorted(file for file in files if not file.name.endswith(beside))


def _lines(file: Path, report: Report) -> Iterator[Record]:
    for number, line in enumerate(_content(file).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = loads(line, f"{file}, line {number}")
        except StoreError as fault:
            report(str(fault))
            continue
        yield record
