"""Transition matrices and given labels from files of the user: numbers only, never a pickle."""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from datasets.base import DataError, FloatArray, IntArray

SUM_TOLERANCE = 1e-6


def _array(path: Path, key: str | None, preferred: str) -> Any:
    """The array of a .npy or .npz file; of several, the one named by `key`, else by `preferred`."""
    try:
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            return held
        with held:
            names = list(held.files)
            name = key or (names[0] if len(names) == 1 else preferred)
            if name not in names:
                fault = f"no array {name!r}" if key else "several arrays, so a key is needed"
                raise DataError(f"{path}: {fault} (accepted: {', '.join(names)})")
            return held[name]
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as fault:
        raise DataError(f"{path}: not a NumPy file of plain numbers: {str(fault).splitlines()[0]}") from None


def _table(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return [row for row in csv.reader(stream) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as fault:
        raise DataError(f"{path}: not a CSV file: {fault}") from None


def _checked_file(path: Path, suffixes: tuple[str, ...], what: str) -> None:
    if path.suffix not in suffixes:
        raise DataError(f"{path}: {what} must be a file ending in {', '.join(suffixes)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file ({what})")


def read_matrix(path: Path, num_classes: int) -> FloatArray:
    """[C, C] float64, rows (true class) summing to one, from .npy, .npz (array `matrix`), .csv or .json (list of rows).

    Raises DataError where the shape is wrong, an entry is negative or no number, or a row does not sum to one.
    """
    _checked_file(path, (".npy", ".npz", ".csv", ".json"), "a transition matrix")
    try:
        if path.suffix == ".csv":
            held: Any = _table(path)
        elif path.suffix == ".json":
            held = json.loads(path.read_text(encoding="utf-8"))
        else:
            held = _array(path, None, "matrix")
        matrix = np.array(held, dtype=np.float64)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    except (ValueError, TypeError):  # JSON and Unicode faults are ValueErrors
        raise DataError(f"{path}: not a matrix of numbers") from None
    if matrix.shape != (num_classes, num_classes):
        shape = " x ".join(str(side) for side in matrix.shape)
        raise DataError(f"{path}: the transition matrix is {shape}, expected {num_classes} x {num_classes}")
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise DataError(f"{path}: the entries of a transition matrix must be finite and not negative")
    sums = matrix.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > SUM_TOLERANCE)
    if len(wrong):
        raise DataError(f"{path}: row {wrong[0]} sums to {sums[wrong[0]]:.6g}; rows (true class) must sum to one")
    normalised: FloatArray = matrix / sums[:, None]
    return normalised


def _column(path: Path, key: str | None) -> list[str]:
    """The cells of one column of a CSV file: the one named by `key`, else `label` or `labels`, else the only one."""
    rows = _table(path)
    if not rows:
        raise DataError(f"{path}: holds no labels")
    first = [cell.strip() for cell in rows[0]]
    has_header = not all(cell.lstrip("-").isdigit() for cell in first)
    if key is not None and (not has_header or key not in first):
        raise DataError(f"{path}: no column {key!r} (accepted: {', '.join(first) if has_header else 'no header line'})")
    position = 0
    if key is not None:
        position = first.index(key)
    elif len(first) > 1:
        named = [name for name in ("label", "labels") if has_header and name in first]
        if not named:
            raise DataError(f"{path}: several columns, so a key is needed (accepted: {', '.join(first)})")
        position = first.index(named[0])
    body = rows[1:] if has_header else rows
    if any(len(row) <= position for row in body):
        raise DataError(f"{path}: rows of unequal length")
    return [row[position].strip() for row in body]


def read_labels(path: Path, key: str | None, num_samples: int, num_classes: int) -> IntArray:
    """[N] int64: given labels in the official training order, from .npy, .npz (array `key`) or .csv (column `key`).

    Raises DataError where there are not N of them, one is no whole number, or one is no class.
    """
    _checked_file(path, (".npy", ".npz", ".csv"), "a file of labels")
    try:
        held = np.array(_column(path, key)) if path.suffix == ".csv" else _array(path, key, "labels")
        if held.dtype.kind == "U":
            held = held.astype(np.float64)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    except ValueError:
        raise DataError(f"{path}: labels must be whole numbers") from None
    return checked_labels(held, path, num_samples, num_classes)


def checked_labels(held: Any, path: Path, num_samples: int, num_classes: int) -> IntArray:
    """The array `held`, read from `path`, as [N] int64 labels. Raises DataError where it is anything else."""
    if held.dtype.kind not in "iuf" or (held.dtype.kind == "f" and not (np.floor(held) == held).all()):
        raise DataError(f"{path}: labels must be whole numbers")
    if held.shape != (num_samples,):
        length = " x ".join(str(side) for side in held.shape)
        raise DataError(f"{path}: holds {length} labels, expected {num_samples}, one for each official training image")
    low, high = held.min(), held.max()
    if low < 0 or high >= num_classes:
        raise DataError(f"{path}: labels run from {low:g} to {high:g}, expected classes 0 to {num_classes - 1}")
    found: IntArray = held.astype(np.int64)
    return found
