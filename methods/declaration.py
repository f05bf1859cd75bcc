"""What a method says of itself, read from its source file without importing it (and so without torch)."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from methods.hyper import HyperParameter, MethodError, check_declarations


@dataclass(frozen=True)
class MethodInfo:
    """What a method says of itself, and where it stands. has_loss: False where its class surely defines no `loss`."""

    name: str
    title: str
    year: int
    reference: str
    class_name: str
    module: str
    path: Path
    version: int = 1
    needs: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()
    networks: int = 1
    passes_per_step: float = 1.0
    hyper: Mapping[str, HyperParameter] = field(default_factory=dict)
    has_loss: bool = True


_REQUIRED = ("name", "title", "year", "reference")
_LITERALS = (*_REQUIRED, "version", "needs", "marks", "networks", "passes_per_step", "hyper")
_KINDS = {"name": str, "title": str, "year": int, "reference": str, "version": int, "networks": int}
FACTS = ("noise_rate", "noise_kind", "matrix")
"""What a method may declare that it needs to know."""


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file. Raises MethodError with one line where it cannot be read or is no Python."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError) as fault:
        line = f", line {fault.lineno}" if isinstance(fault, SyntaxError) else ""
        raise MethodError(f"{path}: not valid Python{line}: {getattr(fault, 'msg', fault)}") from None
    except OSError as fault:
        raise MethodError(f"{path}: {fault.strerror}") from None


def read_file(path: Path, module: str) -> list[MethodInfo]:
    """The methods that the file at `path` declares. Raises MethodError naming file and fault."""
    try:
        state = path.stat()
    except OSError as fault:
        raise MethodError(f"{path}: {fault.strerror}") from None
    return list(_read_file(path, module, (state.st_ino, state.st_mtime_ns, state.st_size)))


@functools.cache
def _read_file(path: Path, module: str, state: tuple[int, ...]) -> tuple[MethodInfo, ...]:
    """Parsed once for each state of the file: planning a suite asks for every method many times."""
    found = []
    for node in parse(path).body:
        if not isinstance(node, ast.ClassDef):
            continue
        where = f"{path}: class {node.name}"
        bases = [ast.unparse(base).split(".")[-1] for base in node.bases]
        strange = not set(bases) - {"object", "Module", "ABC"}
        declared = _declarations(node.body, where, strict=not strange)
        missing = [key for key in _REQUIRED if key not in declared]
        if "name" not in declared or (strange and missing):
            continue  # another class of the file
        if strange:
            raise MethodError(f"{where} is not a subclass of methods.base.Method")
        if missing:
            raise MethodError(f"{where} lacks {', '.join(f'`{key}`' for key in missing)}")
        literals = _checked(declared, where)
        has_loss = bases != ["Method"] or "loss" in _defined(node.body)
        found.append(MethodInfo(class_name=node.name, module=module, path=path, has_loss=has_loss, **literals))
    return tuple(found)


def _defined(body: Iterable[ast.stmt]) -> set[str]:
    """The functions of a class body, and the names that are assigned in it."""
    names = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return names | {target.id for target in targets if isinstance(target, ast.Name)}


def _literal(node: ast.expr) -> Any:
    """The value of a literal; `frozenset(...)` of a literal is admitted too."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "frozenset":
        return frozenset(ast.literal_eval(node.args[0])) if node.args else frozenset()
    return ast.literal_eval(node)


def _declarations(body: Iterable[ast.stmt], where: str, strict: bool) -> dict[str, Any]:
    """The literals of a class body. strict: raise MethodError for one that is no literal; else leave it out."""
    found: dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            continue
        if isinstance(target, ast.Name) and target.id in _LITERALS:
            try:
                found[target.id] = _literal(value)
            except (ValueError, TypeError):
                if strict:
                    raise MethodError(f"{where}: `{target.id}` must be a plain literal") from None
    return found


def _checked(declared: dict[str, Any], where: str) -> dict[str, Any]:
    """The literals of a method, if each is of its kind. Raises MethodError."""
    for key, kind in _KINDS.items():
        if key in declared and type(declared[key]) is not kind:
            raise MethodError(f"{where}: `{key}` = {declared[key]!r}: must be of type {kind.__name__}")
    if not (declared["name"].isidentifier() and declared["name"].islower()):
        raise MethodError(f"{where}: `name` = {declared['name']!r}: must be of small letters, digits and underscores")
    if type(declared.get("passes_per_step", 1.0)) not in (int, float):
        raise MethodError(f"{where}: `passes_per_step` = {declared['passes_per_step']!r}: must be a number")
    for key in ("needs", "marks"):
        given = declared.get(key, ())
        if not isinstance(given, frozenset | set | tuple | list) or not all(isinstance(part, str) for part in given):
            raise MethodError(f"{where}: `{key}` must be a set of words, such as frozenset({{'noise_rate'}})")
        declared[key] = frozenset(given)
    if unknown := sorted(declared["needs"] - set(FACTS)):
        raise MethodError(f"{where}: `needs` has the unknown fact {unknown[0]!r} (accepted: {', '.join(FACTS)})")
    check_declarations(declared.get("hyper", {}), where)
    return declared
