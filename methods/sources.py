"""Python files read without importing them (and so without torch): what names stand for, and what classes come from."""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from methods.hyper import MethodError

State = tuple[int, int, int]
_PACKAGE = Path(__file__).resolve().parent
_LAST = ("object", "Module", "ABC", "Protocol")  # classes that say nothing of a method, by the last part of their name
_noting: list[set[Path]] = []


@dataclass(frozen=True)
class Imported:
    """A name that stands for one of another module; of the module itself, where `name` is empty."""

    module: str
    name: str = ""


@dataclass(frozen=True)
class Source:
    """A file, read as the module of that name. names: what its top level binds."""

    path: Path
    module: str
    tree: ast.Module
    names: Mapping[str, ast.ClassDef | ast.expr | Imported]

    def classes(self) -> Iterator[ast.ClassDef]:
        """The classes of the top level, in their order."""
        return (node for node in self.tree.body if isinstance(node, ast.ClassDef))


Class = tuple[Source, ast.ClassDef]


def state_of(path: Path) -> State:
    """What is another once the file has changed. Raises MethodError where it cannot be read."""
    try:
        file_status = path.stat()
    except OSError as fault:
        raise MethodError(f"{path}: {fault.strerror}") from None
    return file_status.st_ino, file_status.st_mtime_ns, file_status.st_size


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file. Raises MethodError with one line where it cannot be read or is no Python."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError) as fault:
        line = f", line {fault.lineno}" if isinstance(fault, SyntaxError) else ""
        raise MethodError(f"{path}: not valid Python{line}: {getattr(fault, 'msg', fault)}") from None
    except OSError as fault:
        raise MethodError(f"{path}: {fault.strerror}") from None


@contextmanager
def noting() -> Iterator[set[Path]]:
    """Collect the files that are read meanwhile."""
    files = set[Path]()
    _noting.append(files)
    try:
        yield files
    finally:
        _noting.pop()


def read(path: Path, module: str) -> Source:
    """A file as it is now. Raises MethodError where it cannot be read or is no Python."""
    for files in _noting:
        files.add(path)
    return _read(path, module, state_of(path))


@functools.cache
def _read(path: Path, module: str, state: State) -> Source:
    tree = parse(path)
    names: dict[str, ast.ClassDef | ast.expr | Imported] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: Imported(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            of = _absolute(module, path, node)
            names |= {alias.asname or alias.name: Imported(of, alias.name) for alias in node.names}
        else:
            names |= assigned([node])
    return Source(path, module, tree, names)


def _absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    """The module that names are imported from."""
    if not node.level:
        return node.module or ""
    parents = module.split(".")[: len(module.split(".")) - node.level + (path.name == "__init__.py")]
    return ".".join([*parents, *([node.module] if node.module else [])])


def assigned(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    """What the statements assign to single names."""
    expressions: dict[str, ast.expr] = {}
    for node in body:
        if isinstance(node, ast.Assign):
            expressions |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            expressions[node.target.id] = node.value
    return expressions


def module_file(module: str, beside: Path | None = None) -> Path | None:
    """The source file of a module that is not imported, nor its package; None where there is none.

    beside: the folder in which it is looked for last.
    """
    if module.startswith("methods."):  # the usual one, found at once
        own = _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
        return own if own.is_file() else None
    parts = module.split(".")
    module_spec: ModuleSpec | None = None
    try:
        module_spec = importlib.util.find_spec(parts[0])
        if module_spec is None and beside is not None:
            module_spec = PathFinder.find_spec(parts[0], [os.fspath(beside)])
        for count in range(2, len(parts) + 1):
            places = None if module_spec is None else module_spec.submodule_search_locations
            module_spec = None if places is None else PathFinder.find_spec(".".join(parts[:count]), list(places))
    except (ValueError, ImportError):
        return None
    if module_spec is None or module_spec.origin is None or not module_spec.origin.endswith(".py"):
        return None
    return Path(module_spec.origin).resolve()


def look_up(node: ast.expr, source: Source) -> tuple[Source, ast.ClassDef | ast.expr] | Imported | None:
    """What a name, or the name of a module's member, stands for; Imported where its module cannot be read."""
    if isinstance(node, ast.Name):
        definition = source.names.get(node.id)
    elif isinstance(node, ast.Attribute):
        name = ast.unparse(node.value)
        known = source.names.get(name)
        module = f"{known.module}.{known.name}".rstrip(".") if isinstance(known, Imported) else name
        definition = Imported(module, node.attr) if isinstance(known, Imported) or "." in name else None
    else:
        return None
    for _ in range(8):  # a name may be handed on from module to module, but not in a circle
        if not isinstance(definition, Imported):
            return None if definition is None else (source, definition)
        if definition.module == "methods.hyper":
            return definition
        path = module_file(definition.module, source.path.parent)
        if path is None or not definition.name:
            return definition
        source = read(path, definition.module)
        if definition.name not in source.names:
            return definition
        definition = source.names[definition.name]
    return None


def class_of(node: ast.expr, source: Source) -> Class | None:
    """The class that a name stands for; None where it stands for none that is found."""
    definition = look_up(node, source)
    if not isinstance(definition, tuple):
        return None
    origin, meaning = definition
    return (origin, meaning) if isinstance(meaning, ast.ClassDef) else class_of(meaning, origin)


def parents(of: Class) -> Iterator[Class | None]:
    """The classes that a class names as its parents; None for one whose source is not found."""
    source, node = of
    for base in node.bases:
        if ast.unparse(base).split(".")[-1] in _LAST:
            continue
        yield class_of(base, source)


def line_of_descent(of: Class) -> Iterator[Class | None]:
    """A class and all that it comes from, nearest first; None for one whose source is not found."""
    yield of
    for parent in parents(of):
        if parent is None:
            yield None
        else:
            yield from line_of_descent(parent)
