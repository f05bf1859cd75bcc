"""Data sets and noise models that plug-ins add: what they declare, checked before it is registered.

A plug-in is a Python file (or an installed module) with a list `DATASETS` of `DataSetPlugin`, a list `NOISE_MODELS` of
`NoisePlugin`, or both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from datasets.base import DataError, DataSet, DataSetInfo, Images, ImageSet
from datasets.data_contract import DataSetPlugin, Lists
from datasets.noise_calls import told
from datasets.noise_contract import FILE, KEY, NEEDS, SAMPLING, Drawn, NoiseInfo, NoisePlugin, Option, Options, Uniforms

__all__ = [
    "FILE", "KEY", "SAMPLING", "DataSetPlugin", "Drawn", "Lists", "NoiseInfo", "NoisePlugin", "Option", "Options",
    "Uniforms", "check_dataset", "check_noise_model", "load_added",
]  # fmt: skip

RESERVED_OPTIONS = ("file", "key", "sha256", "content")  # what a model that reads a file is handed
Entry = TypeVar("Entry", DataSetPlugin, NoisePlugin)


def load_added(plugin: DataSetPlugin, root: Path, origin: Path) -> DataSet:
    """A plug-in's data set in memory, checked against its declaration. Raises DataError naming the file `origin`."""
    assert plugin.load is not None
    info, where = plugin.info, f"{origin}: data set {plugin.name!r}"
    with told(f"{where}: load", origin):
        dataset = plugin.load(info, root)
    if not isinstance(dataset, DataSet):
        raise DataError(f"{where}: load gave {type(dataset).__name__}, not datasets.base.DataSet")
    for key in ("name", "version", "class_names", "mean", "std"):
        if getattr(dataset, key) != getattr(info, key):
            raise DataError(f"{where}: {key} is {getattr(dataset, key)!r}, declared is {getattr(info, key)!r}")
    for part, images, count in (("train", dataset.train, info.num_train), ("test", dataset.test, info.num_test)):
        _check_images(images, count, info, f"{where}: {part}")
    return dataset


def _check_images(images: ImageSet, count: int, info: DataSetInfo, where: str) -> None:
    labels = images.labels
    if len(labels) != count:
        raise DataError(f"{where} has {len(labels)} labels, declared are {count}")
    if labels.dtype != np.int64 or labels.ndim != 1 or labels.min() < 0 or labels.max() >= info.num_classes:
        raise DataError(f"{where}: labels must be int64 from 0 to {info.num_classes - 1}, one for each image")
    if isinstance(images, Images):
        expected = (count, *info.image_shape)
        if images.pixels.dtype != np.uint8 or images.pixels.shape != expected:
            given = f"{images.pixels.dtype} {list(images.pixels.shape)}"
            raise DataError(f"{where}: pixels are {given}, declared are uint8 {list(expected)}")


def _declared(entry: Any, kind: type[Entry], info: type, form: str, called: str, where: str) -> tuple[Entry, str]:
    """The entry, and how its faults begin. Raises DataError, which says the form, where it is no such declaration."""
    if not isinstance(entry, kind) or not isinstance(entry.info, info):
        raise DataError(f"{where}: {form}")
    here = f"{where}: {called} {entry.name!r}"
    _check_name(entry.name, here)
    return entry, here


def check_dataset(entry: Any, where: str) -> DataSetPlugin:
    """An entry of a plug-in's DATASETS. Raises DataError where it is none, or its declaration contradicts itself."""
    form = "DATASETS must be a list of datasets.plugin.DataSetPlugin(info, load)"
    plugin, here = _declared(entry, DataSetPlugin, DataSetInfo, form, "data set", where)
    info = plugin.info
    if (plugin.load is None) == (plugin.lists is None):
        raise DataError(f"{here}: give either `load` or `lists`")
    if len(info.image_shape) != 3 or not len(info.mean) == len(info.std) == info.image_shape[2]:
        raise DataError(f"{here}: image_shape is (height, width, channels), mean and std have a value per channel")
    if plugin.official is not None and not callable(plugin.official):
        raise DataError(f"{here}: `official` must be a function that gives a datasets.official.Layout")
    if plugin.lists is not None:
        _check_lists(plugin, here)
        return plugin
    if not callable(plugin.load):
        raise DataError(f"{here}: `load` must be a function load(info, root)")
    if len(info.class_names) != info.num_classes:
        raise DataError(f"{here}: {len(info.class_names)} class_names for num_classes = {info.num_classes}")
    if min(info.num_train, info.num_test) < 1:
        raise DataError(f"{here}: num_train and num_test must be at least 1")
    return plugin


def _check_lists(entry: DataSetPlugin, here: str) -> None:
    lists, info = entry.lists, entry.info
    if not isinstance(lists, Lists) or not callable(lists.find) or not callable(lists.read):
        raise DataError(f"{here}: `lists` must be datasets.plugin.Lists(folders, find, read) with two functions")
    if not isinstance(lists.folders, tuple) or not all(isinstance(folder, str) for folder in lists.folders):
        raise DataError(f"{here}: `folders` must be a tuple of names")
    if info.resize is None or info.resize < info.image_shape[0] or info.image_shape[0] != info.image_shape[1]:
        raise DataError(f"{here}: images that are files need a square image_shape and `resize`, at least as large")
    if info.image_shape[2] != 3:
        raise DataError(f"{here}: images that are files are read with three channels")


def check_noise_model(entry: Any, where: str) -> NoisePlugin:
    """An entry of a plug-in's NOISE_MODELS. Raises DataError where it is none, or contradicts itself."""
    form = "NOISE_MODELS must be a list of datasets.plugin.NoisePlugin(info, matrix or draw)"
    plugin, here = _declared(entry, NoisePlugin, NoiseInfo, form, "noise", where)
    info = plugin.info
    _check_functions(plugin, here)
    if info.takes_rate and "{rate}" not in info.title:
        raise DataError(f"{here}: the title {info.title!r} must say where the rate stands, as in 'mine {{rate}}'")
    try:
        info.title.format(rate="0%", file="")
    except (KeyError, IndexError, ValueError):
        raise DataError(f"{here}: the title {info.title!r} has another place than {{rate}}") from None
    for key in info.options:
        _check_option(plugin, key, here)
    if unknown := sorted(set(info.needs) - set(NEEDS)):
        raise DataError(f"{here}: unknown need {unknown[0]!r} (accepted: {', '.join(NEEDS)})")
    return plugin


def _check_functions(entry: NoisePlugin, here: str) -> None:
    """One of the functions that say the labels, and of the further ones those that go with it."""
    main = [function for function in (entry.matrix, entry.draw, entry.target) if function is not None]
    if len(main) != 1 or not callable(main[0]):
        raise DataError(f"{here}: give one function, either `matrix` or `draw` or `target`")
    for name in ("expected", "expected_rate", "read", "warnings"):
        function = getattr(entry, name)
        if function is not None and not callable(function):
            raise DataError(f"{here}: `{name}` must be a function")
        if function is not None and name.startswith("expected") and entry.draw is None:
            raise DataError(f"{here}: `{name}` goes with `draw`; of `matrix` and `target` the harness knows it")
    if (entry.read is not None) != entry.info.reads_file:
        raise DataError(f"{here}: a function `read` and an option 'file' = datasets.plugin.FILE go together")


def _check_option(entry: NoisePlugin, key: str, here: str) -> None:
    own = {"file": FILE, "key": KEY} if entry.read is not None else {}
    if entry.target is not None:
        own["sampling"] = SAMPLING
    declared = entry.info.option(key)
    if (declared != own[key]) if key in own else declared in (FILE, KEY):
        raise DataError(f"{here}: option {key!r}: `file`, `key` and `sampling` are datasets.plugin.FILE, KEY, SAMPLING")
    if key in own:
        return
    if key in RESERVED_OPTIONS or not isinstance(declared.default, bool | int | float | str | None):
        raise DataError(f"{here}: option {key!r}: needs a plain default, and none of the names {RESERVED_OPTIONS}")
    try:
        unlike = declared.checked(declared.default, "") != declared.default
    except (DataError, TypeError, ValueError):
        unlike = True
    if unlike:
        raise DataError(f"{here}: option {key!r}: the default {declared.default!r} is not one that it accepts")


def _check_name(name: Any, where: str) -> None:
    if not (isinstance(name, str) and name.replace("-", "_").isidentifier() and name.islower()):
        raise DataError(f"{where}: a name is of small letters, digits, underscores and hyphens")
