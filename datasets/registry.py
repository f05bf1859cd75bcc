"""The list of data sets. Knowing of one costs nothing; its files are read by `load`."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

from datasets import cifar, digits
from datasets.base import DataError, DataSet, DataSetInfo

DATASETS: dict[str, DataSetInfo] = {info.name: info for info in (digits.INFO, cifar.CIFAR10, cifar.CIFAR100)}

ROOT_VARIABLE = "NOISY_BENCH_DATA"


def default_root() -> Path:
    """Where data lie unless told otherwise: the environment's NOISY_BENCH_DATA, else a per-user cache folder."""
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        cache = str(Path.home() / "Library" / "Caches")
    else:
        cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "noisy-label-bench"


def info(name: str) -> DataSetInfo:
    """The description of one data set. Raises DataError with a suggestion where the name is unknown."""
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown data set {name!r}{hint} (accepted: {', '.join(sorted(DATASETS))})")
    return DATASETS[name]


def load(name: str, root: Path | None = None) -> DataSet:
    """The data set in memory, from `root` (None: `default_root()`).

    Raises DataError, one line that says what to run, where files are missing or are not the official ones.
    """
    described = info(name)
    if name in cifar.LAYOUTS:
        return cifar.load(described, default_root() if root is None else root)
    return digits.load()
