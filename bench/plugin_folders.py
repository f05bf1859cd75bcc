"""Folders and packages given as plug-ins: which modules they hold, found without importing one.

A folder is a project whose `pyproject.toml` names entry points, a package, or else a place of loose files.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from methods.sources import module_file

_HOME = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Part:
    """A file of a folder. module: what it is imported as, "" for a loose file. group: of its entry point, or ""."""

    path: Path
    module: str = ""
    group: str = ""


def parts(folder: Path, groups: Collection[str]) -> Iterator[Part]:
    """What a folder holds; what is a module can be imported afterwards. Raises UserError with one line."""
    project = folder / "pyproject.toml"
    if project.is_file():
        yield from _of_project(project, groups)
    elif (folder / "__init__.py").is_file():
        _use(folder.parent, folder.name, folder / "__init__.py")
        yield from of_package(folder, folder.name)
    else:
        yield from map(Part, sorted(folder.glob("*.py")))


def is_module_name(given: Path) -> bool:
    """Whether what was given is a module's name (`a`, `a.b`), and no file or folder that is there."""
    names = str(given).split(".")
    return all(name.isidentifier() for name in names) and names[-1] != "py" and not given.exists()


def of_module(name: str) -> Iterator[Part]:
    """A module, or all modules of a package. Raises UserError for one that cannot be imported, or is of this suite."""
    path = module_file(name)
    if path is not None and path.is_relative_to(_HOME / name.partition(".")[0]):
        raise UserError(f"--plugin {name}: is a part of this suite")
    if path is None:
        raise UserError(f"--plugin {name}: no such file or folder, and no module of that name can be imported")
    yield from of_package(path.parent, name) if path.name == "__init__.py" else [Part(path, name)]


def of_package(folder: Path, name: str) -> Iterator[Part]:
    """All modules of a package, which is imported as `name`."""
    for path in sorted(folder.rglob("*.py")):
        names = (name, *path.relative_to(folder).with_suffix("").parts)
        yield Part(path, ".".join(names[:-1] if names[-1] == "__init__" else names))


def _of_project(project: Path, groups: Collection[str]) -> Iterator[Part]:
    """The modules that a project which is not installed names as entry points."""
    try:
        declared = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}).get("entry-points", {})
        named = [(group, module) for group in groups for module in dict(declared.get(group, {})).values()]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as fault:
        raise UserError(f"{project}: not a project's file: {fault}") from None
    if not named:
        raise UserError(f"{project}: names no entry point of a plug-in (groups: {', '.join(groups)})")
    for group, module in named:
        path = _module_of(project, str(module))
        _use(path.parents[module.count(".") + (path.name == "__init__.py")], module, path)
        yield Part(path, module, group)


def _module_of(project: Path, module: str) -> Path:
    """The file of a module that a project's entry point names, in `src` or beside the project's file."""
    for root in (project.parent / "src", project.parent):
        stem = root.joinpath(*module.split("."))
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    raise UserError(f"{project}: there is no file of the module {module!r}, which an entry point names")


def _use(root: Path, module: str, path: Path) -> None:
    """Let what lies in the folder be imported, in the last place. Raises UserError where another has the name."""
    if str(root) not in sys.path:
        sys.path.append(str(root))
    located = module_file(module)
    if located != path:
        raise UserError(f"{path}: the module {module!r} is found at {located} first: rename one")
