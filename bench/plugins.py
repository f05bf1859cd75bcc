"""Plug-ins: files, folders and modules given by `--plugin`, and modules that installed packages name as entry points.

A plug-in declares methods (classes, read without importing the file), or has one or several lists: `DATASETS`,
`NOISE_MODELS`, `VIEW_POLICIES`, `OPTIMIZERS`, `SCHEDULES`, `NETWORKS`, `SELECTION_RULES`. A file with one of these is
imported when it is registered. An entry point names a module (`my_package.my_methods`) in one of the groups below; in
that of bundles, it may have all of these, or be a package whose modules have them. A folder is a project with such
entry points, a package, or loose files.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import plugin_folders
from bench.networks import NETWORKS
from bench.plugin_checks import (
    check_network,
    check_optimizer,
    check_schedule,
    check_selection_rule,
    check_view_policy,
)  # fmt: skip
from bench.recipe.optimizers import OPTIMIZERS
from bench.recipe.schedules import SCHEDULES
from common.errors import UserError, unknown
from common.registry import Registry
from datasets.base import DataError
from datasets.data_sets import DATASETS
from datasets.noise_models import NOISE_MODELS
from datasets.plugin import check_dataset, check_noise_model
from datasets.views import VIEW_POLICIES
from methods import registry as methods
from methods.declaration import read_file
from methods.registry import MethodError
from methods.sources import assigned, module_file, parse
from results.selection_rules import RULES


@dataclass(frozen=True)
class _List:
    """A list that a plug-in may have: its entry point's group, where its entries go, and what checks one of them."""

    group: str
    registry: Registry[Any]
    check: Callable[[Any, str], Any]

    def add(self, entry: Any, path: Path) -> None:
        """Register an entry of the file `path`. Raises UserError or DataError."""
        self.registry.add(self.check(entry, str(path)), path)


METHODS, BUNDLES = "noisy_label_bench.methods", "noisy_label_bench.plugins"
_LISTS = {
    "DATASETS": _List("noisy_label_bench.datasets", DATASETS, check_dataset),
    "NOISE_MODELS": _List("noisy_label_bench.noise", NOISE_MODELS, check_noise_model),
    "VIEW_POLICIES": _List("noisy_label_bench.views", VIEW_POLICIES, check_view_policy),
    "OPTIMIZERS": _List("noisy_label_bench.optimizers", OPTIMIZERS, check_optimizer),
    "SCHEDULES": _List("noisy_label_bench.schedules", SCHEDULES, check_schedule),
    "NETWORKS": _List("noisy_label_bench.networks", NETWORKS, check_network),
    "SELECTION_RULES": _List("noisy_label_bench.selection_rules", RULES, check_selection_rule),
}
GROUPS = (BUNDLES, METHODS, *(listed.group for listed in _LISTS.values()))
_files: list[Path] = []


def warn(line: str) -> None:
    """The default way to tell of an installed plug-in that was left out: a line on the standard error."""
    print(f"warning: {line}", file=sys.stderr)


def register(files: Iterable[Path] | None = (), tell: Callable[[str], None] = warn) -> None:
    """Register what installed packages declare, then plug-in files. Both may have been registered before.

    Raises UserError, MethodError or DataError with one line naming file and fault. An installed plug-in that cannot be
    used is left out, and `tell` is told why: it must not stand in the way of runs that do not need it.
    """
    for line in _register_installed():
        tell(line)
    for file in files or ():
        add(file)


@functools.cache
def _register_installed() -> tuple[str, ...]:
    """Register the entry points, once a process; returns a line for each that was left out."""
    faults = []
    for group in GROUPS:
        for point in sorted(entry_points(group=group), key=lambda point: point.value):
            try:
                _add_entry_point(group, point)
            except (UserError, MethodError, DataError) as fault:
                faults.append(f"entry point {point.name!r} of {group} is left out: {' '.join(str(fault).split())}")
    return tuple(faults)


def added_files() -> tuple[Path, ...]:
    """The plug-ins registered so far (files, folders, names of modules), for handing on to worker processes."""
    return tuple(_files)


def add(given: Path) -> None:
    """Register what a file declares, a folder, or a module or package that can be imported, by its name (`a.b`).

    Raises UserError, MethodError or DataError with one line.
    """
    if plugin_folders.is_module_name(given):
        _add_parts(given, plugin_folders.of_module(str(given)))
    elif given.is_dir():
        _add_parts(given.resolve(), plugin_folders.parts(given.resolve(), GROUPS))
    else:
        add_file(given)


def _add_parts(given: Path, parts: Iterable[plugin_folders.Part]) -> None:
    added = [_add_part(part) for part in parts]
    if not any(added):
        raise UserError(f"{given}: {_nothing('no Python file in it declares anything')}")
    _keep(given)


def _add_part(part: plugin_folders.Part) -> bool:
    """Register what a part of a folder declares; whether there was anything."""
    if part.group == BUNDLES:
        return _add_bundle(part.path, part.module)
    if not part.group:
        return _add(part.path, part.module or methods.module_name(part.path))
    _add_entry_point(part.group, EntryPoint(part.module, part.module, part.group))
    return True


def add_file(path: Path) -> None:
    """Register what a file declares. Raises UserError, MethodError or DataError with one line."""
    path = path.resolve()
    if not _add(path, methods.module_name(path)):
        raise UserError(f"{path}: {_nothing('declares nothing')}")
    _keep(path)


def _nothing(what: str) -> str:
    lists = ", ".join(_LISTS)
    return f"{what}: no method (a subclass of methods.base.Method with a literal `name`), no list {lists}"


def _keep(path: Path) -> None:
    if path not in _files:
        _files.append(path)


def _add(path: Path, module: str) -> bool:
    """Register what a module declares; whether there was anything."""
    declared = read_file(path, module)
    lists = assigned(parse(path).body).keys() & _LISTS.keys()
    if declared:
        methods.add_module(module, path) if not methods.is_plugin_file(module) else methods.add_file(path)
    if lists:
        _add_lists(methods.import_file(path, module), path, lists)
    return bool(declared or lists)


def _add_bundle(path: Path, module: str) -> bool:
    """Register what a module declares, or, of a package whose own file declares nothing, what its modules do."""
    if _add(path, module):
        return True
    parts = plugin_folders.of_package(path.parent, module) if path.name == "__init__.py" else ()
    return sum(_add(part.path, part.module) for part in parts) > 0  # each of them is registered


def prove(names: Iterable[str]) -> None:
    """Import those of the named methods that plug-ins declare. Raises MethodError where one breaks the contract.

    What a file says of itself is read without importing it; this is what must hold before anything is written.
    """
    for name in dict.fromkeys(names):
        if (path := methods.METHODS.origin(name)) is not None:
            for view in methods.load(name).views:
                if view not in VIEW_POLICIES:
                    known = sorted(VIEW_POLICIES.names)
                    raise unknown("view policy", view, known, f"{path}: `views`", error=MethodError)


def _add_lists(module: ModuleType, path: Path, names: Iterable[str]) -> None:
    """Register the entries of a module's lists of these names. Raises UserError or DataError."""
    for name in sorted(names):
        entries: Any = getattr(module, name, None)
        if not isinstance(entries, list | tuple):
            raise UserError(f"{path}: {name} must be a list, not {type(entries).__name__}")
        for entry in entries:
            _LISTS[name].add(entry, path)


def _add_entry_point(group: str, point: EntryPoint) -> None:
    path = _source(point.module)
    if group == BUNDLES:
        if not _add_bundle(path, point.module):
            raise UserError(f"{path}: {_nothing('declares nothing')}")
        return
    if group == METHODS:
        methods.add_module(point.module, path)
        return
    name = next(key for key, listed in _LISTS.items() if listed.group == group)
    _add_lists(methods.import_file(path, point.module), path, [name])


def _source(module: str) -> Path:
    """The source file of a module that is not imported, nor its package. Raises UserError where there is none."""
    source = module_file(module)
    if source is None:
        raise UserError(f"there is no Python file of a module {module!r}")
    return source
