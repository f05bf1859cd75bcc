"""The list of data sets. Knowing of one costs nothing; its files are read by `load`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import unknown
from common.files import expanded
from datasets import cifar, digits, disk
from datasets.base import DataError, DataSet, DataSetInfo, ImageFiles
from datasets.disk import Choice
from datasets.plugin import AddedDataSet, DataSetPlugin

DATASETS: dict[str, DataSetInfo] = {
    info.name: info
    for info in (digits.INFO, cifar.CIFAR10, cifar.CIFAR100, *(module.INFO for module in disk.MODULES.values()))
}

_added: dict[str, AddedDataSet] = {}

PLAIN = Choice()
ROOT_VARIABLE = "NOISY_BENCH_DATA"


def default_root() -> Path:
    """Where data lie unless told otherwise: the environment's NOISY_BENCH_DATA, else a per-user cache folder."""
    named = os.environ.get(ROOT_VARIABLE)
    return expanded(named) if named else user_cache()


def user_cache() -> Path:
    """The per-user cache folder; below that of temporary files for a user who has no home."""
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        cache = str(expanded("~/Library/Caches"))
    else:
        cache = os.environ.get("XDG_CACHE_HOME")
    if cache:
        return Path(cache) / "noisy-label-bench"
    try:
        return Path.home() / ".cache" / "noisy-label-bench"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"noisy-label-bench-{os.getuid()}"


def info(name: str) -> DataSetInfo:
    """The description of one data set. Raises DataError with a suggestion where the name is unknown."""
    if name not in DATASETS:
        raise unknown("data set", name, sorted(DATASETS), error=DataError)
    return DATASETS[name]


def add(plugin: DataSetPlugin, path: Path) -> None:
    """Register a data set that the plug-in file `path` declares. Raises DataError where its name is taken."""
    name = plugin.info.name
    if name in DATASETS and (name not in _added or _added[name].path != path):
        owner = _added[name].path if name in _added else "a built-in data set"
        raise DataError(f"{path}: data set name {name!r} is taken by {owner}")
    DATASETS[name], _added[name] = plugin.info, AddedDataSet(plugin, path)


@dataclass(frozen=True)
class Described:
    """A data set as a run finds it: its description with what is there, and the hash of that (None: as published).

    absent: why it was not looked at; runs can be planned, but not executed.
    """

    info: DataSetInfo
    content: str | None
    absent: str = ""


def describe(name: str, root: Path | None = None, choice: Choice = PLAIN) -> Described:
    """What is known of a data set before its images are read. Raises DataError, also where files are missing.

    Only where images are files anything is read: their lists, which are indexed at the first time.
    """
    static = info(name)
    if name not in disk.MODULES:
        return Described(static, None)
    sources = disk.complete(name, default_root() if root is None else root, choice.file)
    found = disk.opened(name, sources, user_cache())
    return Described(disk.described(name, sources, found), disk.content(found, choice.skip_broken))


def image_names(name: str, root: Path | None, choice: Choice, content: str | None) -> Callable[[int], str] | None:
    """What gives the name of the file of each training image, by its row; None where images are no files.

    content: the hash that a run's specification has; images that are left out are those left out then. Raises DataError
    where the data are missing or have changed.
    """
    if name not in disk.MODULES:
        return None
    for skip_broken in (False, True):
        chosen = replace(choice, skip_broken=skip_broken)
        if describe(name, root, chosen).content == content:
            train = load(name, root, chosen).train
            assert isinstance(train, ImageFiles)
            # a name that is no text can be shown only in parts
            return lambda row: train.names[int(train.numbers[row])].encode("utf-8", "backslashreplace").decode()
    raise DataError(f"{name}: the data have changed since the run")


def verify(name: str, root: Path | None = None, choice: Choice = PLAIN) -> None:
    """Raise the DataError that `load` would raise; images are made only where nothing less tells.

    A published set whose files have their official hashes holds what it should.
    """
    if name in cifar.LAYOUTS:
        cifar.verify(name, default_root() if root is None else root)
    elif name in disk.MODULES or name in _added:
        load(name, root, choice)
    else:
        info(name)  # embedded in a library


def load(name: str, root: Path | None = None, choice: Choice = PLAIN) -> DataSet:
    """The data set from `root` (None: `default_root()`), in memory unless its images are files of many sizes.

    Raises DataError, one line that says what to run, where files are missing or are not the official ones.
    """
    described, root = info(name), default_root() if root is None else root
    if name in disk.MODULES:
        return disk.load(name, root, choice, user_cache())
    if name in _added:
        return _added[name].load(root)
    if name in cifar.LAYOUTS:
        return replace(cifar.load(described, root), root=root)
    return digits.load()
