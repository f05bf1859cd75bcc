"""Columnar copies of what is read often from a store's records, under <root>/cache; safe to delete at any time.

A copy is keyed on names, modification times and sizes of the record files. Only files that are new or have changed
are read again. Sources without a store are read anew each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import union_categoricals

from common.record import Record
from results.plain import read_regular
from results.record import StoreError
from results.sources import Report, Source, read_files
from results.storage import replace_file

VERSION = 2
"""Raised when a column's meaning changes; a change of the columns' names is noticed by itself."""

SUFFIX = ".columns"
"""A cache file is the digest of its content, and the content: an Arrow file. So any damage to it is seen."""
_DIGEST = 32
_MOST_BYTES = 2**32

Build = Callable[[Iterable[Record]], dict[str, Any]]
_Stamps = dict[str, list[int]]


def columns(source: Source, name: str, build: Build, report: Report) -> pd.DataFrame:
    """The columns that `build` makes of all records of `source`, from the cache as far as it is fresh.

    `build` gets the records to be read and returns equally long columns, `address` among them. A cache that can't be
    read is made anew; one that can't be written (a read-only folder, a full disk) is done without.
    """
    empty = pd.DataFrame(build([]))
    if source.store is None:
        return pd.DataFrame(build(source.records(report)))
    path = source.store.layout.cached(f"{name}{SUFFIX}")
    stamps = _stamps(source.store.layout.records)
    kept, cached = _read(path, list(empty.columns))
    stale = {file for file, stamp in cached.items() if stamps.get(file) != stamp}
    missing = [file for file in source.record_files if file.name not in cached or file.name in stale]
    if stale:
        kept = kept[~kept["address"].isin({file.removesuffix(".json") for file in stale})]
    if not missing and not stale and cached:
        return kept
    read: list[str] = []
    new = pd.DataFrame(build(_noting(read_files(tuple(missing), report, named=True), read)))
    table = _joined(kept, new) if cached else new
    fresh = {file: stamp for file, stamp in cached.items() if file not in stale}
    fresh.update({file: stamps[file] for file in read if file in stamps})
    if fresh != cached:
        with contextlib.suppress(StoreError):
            _write(path, table, fresh)
    return table


def _noting(records: Iterable[tuple[Path, Record]], read: list[str]) -> Iterator[Record]:
    for path, record in records:
        read.append(path.name)
        yield record


def _stamps(folder: Path) -> _Stamps:
    if not folder.is_dir():
        return {}
    stamps: _Stamps = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".json"):
                status = entry.stat()
                stamps[entry.name] = [status.st_mtime_ns, status.st_size]
    return stamps


def _read(path: Path, expected: list[str]) -> tuple[pd.DataFrame, _Stamps]:
    import pyarrow as pa

    try:
        content = read_regular(path, _MOST_BYTES)
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            raise ValueError("damaged")
        table = pa.ipc.open_file(pa.BufferReader(content[_DIGEST:])).read_all()
        notes = json.loads(table.schema.metadata[b"records"])
        if notes["version"] == VERSION and table.column_names == expected:
            return table.to_pandas(), notes["files"]
    except (OSError, StoreError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        pass  # absent, cut short or of another version: made anew
    return pd.DataFrame(columns=expected), {}


def _write(path: Path, table: pd.DataFrame, stamps: _Stamps) -> None:
    import pyarrow as pa

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    notes = json.dumps({"version": VERSION, "files": stamps}).encode()
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"records": notes})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, arrow.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(arrow)
    content = sink.getvalue().to_pybytes()
    replace_file(path, hashlib.sha256(content).digest() + content)


def _joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    def join(name: str) -> Any:
        parts = [old[name], new[name]]
        if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            # an empty part's categories may be of another type than texts are
            parts = [part.cat.remove_unused_categories() for part in parts if len(part)] or parts[:1]
            return union_categoricals(parts, sort_categories=True)
        return pd.concat(parts, ignore_index=True)

    return pd.DataFrame({name: join(name) for name in new.columns})
