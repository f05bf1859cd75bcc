"""The list of data sets. Knowing of one costs nothing; its files are read by `load`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from common.files import expanded
from datasets import disk, official
from datasets.base import DataError, DataSet, DataSetInfo, ImageFiles, ImageSet
from datasets.data_contract import Choice
from datasets.data_sets import DATASETS
from datasets.plugin import load_added

__all__ = [
    "DATASETS", "ROOT_VARIABLE", "Described", "default_root", "describe", "image_names", "info", "load",
    "training_images", "user_cache", "verify",
]  # fmt: skip

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
    return DATASETS[name].info


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
    static = DATASETS[name]
    if static.lists is None:
        return Described(static.info, None)
    sources = disk.complete(name, default_root() if root is None else root, choice.file)
    image_index = disk.opened(name, sources, user_cache())
    return Described(disk.described(name, sources, image_index), disk.content(image_index, choice.skip_broken))


def training_images(name: str, root: Path | None, choice: Choice, content: str | None) -> ImageSet:
    """The training images of a run. content: the hash of the data that its specification has, where images are files;
    those that are left out are those left out then. Raises DataError where the data are missing or have changed.
    """
    if DATASETS[name].lists is None:
        return load(name, root, choice).train
    for skip_broken in (False, True):
        chosen = replace(choice, skip_broken=skip_broken)
        if describe(name, root, chosen).content == content:
            return load(name, root, chosen).train
    raise DataError(f"{name}: the data have changed since the run")


def image_names(name: str, root: Path | None, choice: Choice, content: str | None) -> Callable[[int], str] | None:
    """What gives the name of the file of each training image, by its row; None where images are no files.

    The arguments are those of `training_images`, which says what is raised.
    """
    if DATASETS[name].lists is None:
        return None
    train = training_images(name, root, choice, content)
    assert isinstance(train, ImageFiles)
    # a name that is no text can be shown only in parts
    return lambda row: train.names[int(train.numbers[row])].encode("utf-8", "backslashreplace").decode()


def verify(name: str, root: Path | None = None, choice: Choice = PLAIN) -> None:
    """Raise the DataError that `load` would raise; images are made only where nothing less tells.

    A published set whose files have their official hashes holds what it should.
    """
    plugin = DATASETS[name]
    if plugin.official is not None:
        official.verify(name, plugin.official(), default_root() if root is None else root)
    elif not plugin.comes_with:
        load(name, root, choice)


def load(name: str, root: Path | None = None, choice: Choice = PLAIN) -> DataSet:
    """The data set from `root` (None: `default_root()`), in memory unless its images are files of many sizes.

    Raises DataError, one line that says what to run, where files are missing or are not the official ones.
    """
    plugin, root = DATASETS[name], default_root() if root is None else root
    if plugin.load is None:
        return disk.load(name, root, choice, user_cache())
    origin = DATASETS.origin(name)
    return plugin.load(plugin.info, root) if origin is None else load_added(plugin, root, origin)
