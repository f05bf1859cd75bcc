"""A hash of what a plug-in's method is written in, by which its records tell that it has been edited since."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from methods.declaration import MethodInfo
from methods.hyper import MethodError
from methods.registry import METHODS, info, is_plugin_file
from methods.sources import parse


def source_hash(name: str) -> str | None:
    """SHA-256 (64 hexadecimal digits) of the files that a plug-in's method comes from; None: it is built in.

    Of a file: itself, and those beside it that it imports. Of a package: all its modules. Where they lie and what they
    are called does not count, as an edit of theirs does. Raises MethodError where one cannot be read.
    """
    if METHODS.origin(name) is None:
        return None
    contents = sorted(_digest(path) for path in set(_files(info(name))))
    return hashlib.sha256("\n".join(contents).encode("ascii")).hexdigest()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    except OSError as fault:
        raise MethodError(f"{path}: {fault.strerror}") from None


def _files(declared: MethodInfo) -> Iterator[Path]:
    if not is_plugin_file(declared.module):
        package = declared.path.parents[declared.module.count(".") - (declared.path.name != "__init__.py")]
        in_package = "." in declared.module or declared.path.name == "__init__.py"
        yield from package.rglob("*.py") if in_package else [declared.path]
        return
    left, seen = [declared.path], set[Path]()
    while left:
        path = left.pop()
        if path not in seen:
            seen.add(path)
            yield path
            left += _neighbours(path, declared.path.parent)


def _neighbours(path: Path, folder: Path) -> Iterator[Path]:
    """The files of the plug-in's `folder`, or of a folder there, that one of its files imports."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        for top in {name.split(".")[0] for name in names}:
            beside = folder / f"{top}.py"
            yield from [beside] if beside.is_file() else (folder / top).rglob("*.py")
