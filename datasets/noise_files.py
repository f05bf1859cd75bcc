"""Transition matrices and given labels from files of the user: numbers only, never a pickle."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets import label_tables, text_files
from datasets.base import DataError, FloatArray, IntArray
from datasets.listing import shown

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
            alike = [other for other in names if preferred in label_tables.LABELS and other in label_tables.LABELS]
            if key is None and len(alike) > 1:
                raise DataError(f"{path}: several arrays, so a key is needed (accepted: {', '.join(alike)})")
            if name not in names:
                fault = f"no array {name!r}" if key else "several arrays, so a key is needed"
                raise DataError(f"{path}: {fault} (accepted: {', '.join(names)})")
            return held[name] if preferred == "matrix" else _in_order(held, held[name], path)
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as fault:
        why = text_files.other_file(path) or str(fault).splitlines()[0]
        if "pickle" in why:  # NumPy's words advise to load them
            why = "it holds Python objects, or is none of NumPy's files"
        raise DataError(f"{path}: not a NumPy file of plain numbers: {why}") from None


def _in_order(held: Any, labels: Any, path: Path) -> Any:
    """The labels of a .npz in the order of the images, where an array `index` beside them numbers them."""
    places = [name for name in held.files if name.casefold() in label_tables.INDEX]
    if len(places) != 1 or held[places[0]].shape != labels.shape or labels.ndim != 1:
        return labels
    order = label_tables.numbering(held[places[0]])
    if order is None:
        raise DataError(f"{path}: array {places[0]!r} does not number the labels from 0 on, each once")
    return labels[order]


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
            held: Any = label_tables.cells(path)
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


def _from_table(path: Path, key: str | None, num_samples: int) -> Any:
    """The labels of a CSV table, in the order of the images."""
    table = label_tables.read(path)
    place = label_tables.label_place(table, key)
    texts = table.column(place)
    if table.names is None and len(texts) == num_samples + 1:
        hint = f"is the first line, {texts[0]!r}, the name of the column? Call it 'label'"
        raise DataError(f"{path}: holds {len(texts)} labels, expected {num_samples}: {hint}")
    return _numbers(texts, path)[label_tables.order(table, place)]


def _numbers(texts: Sequence[str], path: Path) -> Any:
    for row, text in enumerate(texts, start=1):
        try:
            float(text)
        except ValueError:
            raise DataError(f"{path}: labels must be whole numbers (row {row}: {shown(text)!r})") from None
    return np.array(texts, dtype=np.float64)


def read_labels(path: Path, key: str | None, num_samples: int, num_classes: int) -> IntArray:
    """[N] int64: given labels in the official training order, from .npy, .npz (array `key`) or .csv (column `key`).

    Raises DataError where there are not N of them, one is no whole number, or one is no class.
    """
    _checked_file(path, (".npy", ".npz", ".csv"), "a file of labels")
    try:
        held = _from_table(path, key, num_samples) if path.suffix == ".csv" else _array(path, key, "labels")
        if held.dtype.kind == "U":
            held = _numbers(held.ravel().tolist(), path).reshape(held.shape)
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    return checked_labels(held, path, num_samples, num_classes)


def check_truth(path: Path, true: IntArray) -> None:
    """Refuse a file of labels whose true labels, if it has them as numbers, are not those of the data set.

    true: [N], in the official training order. Raises DataError.
    """
    held = _truth(path)
    if held is None or np.array_equal(held, true):
        return
    sorted_alike = held.shape == true.shape and np.array_equal(np.sort(held), np.sort(true))
    other = "its images stand in another order" if sorted_alike else "it belongs to other images"
    raise DataError(f"{path}: the true labels in it are not those of the data set: {other}")


def _truth(path: Path) -> Any:
    """The true labels in a file of labels; None where it has none, or some that are no numbers."""
    if path.suffix == ".csv":
        table = label_tables.read(path)
        places = table.places(label_tables.TRUTH)
        if len(places) != 1:
            return None
        try:
            values = np.array(table.column(places[0]), dtype=np.float64)
        except ValueError:
            return None
        return values[label_tables.order(table, places[0])] if np.isfinite(values).all() else None
    if path.suffix != ".npz":
        return None
    with np.load(path, allow_pickle=False) as held:
        names = [name for name in held.files if name in label_tables.TRUTH]
        truth = _in_order(held, held[names[0]], path) if len(names) == 1 else None
    return truth if truth is not None and truth.ndim == 1 and truth.dtype.kind in "iuf" else None


def checked_labels(held: Any, path: Path, num_samples: int, num_classes: int) -> IntArray:
    """The array `held`, read from `path`, as [N] int64 labels. Raises DataError where it is anything else."""
    if held.dtype.kind not in "iuf":
        raise DataError(f"{path}: labels must be whole numbers")
    if held.dtype.kind == "f" and not (whole := np.isfinite(held) & (np.floor(held) == held)).all():
        row = int(np.flatnonzero(~whole.ravel())[0])
        raise DataError(f"{path}: labels must be whole numbers (row {row + 1}: {held.ravel()[row]:g})")
    if held.shape != (num_samples,):
        length = " x ".join(str(side) for side in held.shape)
        raise DataError(f"{path}: holds {length} labels, expected {num_samples}, one for each official training image")
    low, high = held.min(), held.max()
    if low < 0 or high >= num_classes:
        raise DataError(f"{path}: labels run from {low:g} to {high:g}, expected classes 0 to {num_classes - 1}")
    labels: IntArray = held.astype(np.int64)
    return labels
