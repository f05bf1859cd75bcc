"""The list of methods, read from their source files without importing torch.

A method declares itself by plain class-level literals (`name`, `title`, `year`, ...); this module parses the files of
this folder, and any plug-in file added by `add_file`, and imports a method's module only when it is asked for.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from methods.base import Method

Value = bool | int | float | str | None


class MethodError(Exception):
    """A method or one of its settings is unknown, malformed or out of bounds. The text is one line for the user."""


class HyperParameter(TypedDict):
    """The declaration of one hyper-parameter, a plain dictionary literal in the class body.

    `default` fixes the type (bool, int, float or str); where it is None, `type` names it ("int", "float", "str").
    `unit = "epochs"`: a whole number of epochs, or a float between 0 and 1 as that share of the run.
    `source` says where the default comes from (paper, repository, or "inferred").
    """

    default: Value
    source: str
    bounds: NotRequired[tuple[float, float]]
    choices: NotRequired[tuple[str, ...]]
    unit: NotRequired[Literal["epochs"]]
    type: NotRequired[Literal["bool", "int", "float", "str"]]
    scale: NotRequired[Literal["linear", "log"]]


@dataclass(frozen=True)
class MethodInfo:
    """What a method says of itself, and where it stands."""

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


_LITERALS = ("name", "title", "year", "reference", "version", "needs", "marks", "networks", "passes_per_step", "hyper")
_REQUIRED = ("name", "title", "year", "reference")
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_extra_files: dict[str, Path] = {}


def _literal(node: ast.expr) -> Any:
    """The value of a literal; `frozenset(...)` of a literal is admitted too."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "frozenset":
        return frozenset(ast.literal_eval(node.args[0])) if node.args else frozenset()
    return ast.literal_eval(node)


def _declarations(body: Iterable[ast.stmt], where: str) -> dict[str, Any]:
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
            except ValueError:
                raise MethodError(f"{where}: `{target.id}` must be a plain literal") from None
    return found


def value_type(declared: Mapping[str, Any], where: str) -> type:
    """The Python type of a hyper-parameter's values. Raises MethodError where the declaration gives none."""
    named = declared.get("type")
    if named is not None:
        if named not in _TYPES:
            raise MethodError(f"{where}: unknown hyper-parameter type {named!r} (accepted: {', '.join(_TYPES)})")
        return _TYPES[named]
    kind = type(declared.get("default"))
    if kind not in _TYPES.values():
        raise MethodError(f"{where}: unknown hyper-parameter type {kind.__name__} (accepted: {', '.join(_TYPES)})")
    return kind


def _check_hyper(hyper: Any, where: str) -> None:
    if not isinstance(hyper, dict):
        raise MethodError(f"{where}: `hyper` must be a dictionary")
    for name, declared in hyper.items():
        here = f"{where}: hyper-parameter {name!r}"
        if not isinstance(declared, dict) or "default" not in declared:
            raise MethodError(f"{here} needs a dictionary with `default` and `source`")
        unknown = set(declared) - set(HyperParameter.__annotations__)
        if unknown:
            raise MethodError(f"{here} has unknown keys: {', '.join(sorted(unknown))}")
        value_type(declared, here)


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
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError) as fault:
        line = f", line {fault.lineno}" if isinstance(fault, SyntaxError) else ""
        raise MethodError(f"{path}: not valid Python{line}: {getattr(fault, 'msg', fault)}") from None
    except OSError as fault:
        raise MethodError(f"{path}: {fault.strerror}") from None
    found = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or not node.bases:
            continue  # a method derives from `Method`, if only to be refused later for not doing so
        where = f"{path}: class {node.name}"
        declared = _declarations(node.body, where)
        if "name" not in declared:
            continue
        missing = [key for key in _REQUIRED if key not in declared]
        if missing:
            raise MethodError(f"{where} lacks {', '.join(f'`{key}`' for key in missing)}")
        _check_hyper(declared.get("hyper", {}), where)
        for key in ("needs", "marks"):
            declared[key] = frozenset(declared.get(key, ()))
        found.append(MethodInfo(class_name=node.name, module=module, path=path, **declared))
    return tuple(found)


def add_file(path: Path) -> list[MethodInfo]:
    """Register the methods of a plug-in file. Raises MethodError where it declares none or a name is taken."""
    path = path.resolve()
    module = f"noisy_label_plugin_{path.stem}"
    found = read_file(path, module)
    if not found:
        raise MethodError(f"{path}: declares no method (a class with a literal `name`)")
    known = registered()
    for info in found:
        if info.name in known and known[info.name].path != path:
            raise MethodError(f"{path}: method name {info.name!r} is taken by {known[info.name].path}")
    _extra_files[module] = path
    return found


def added_files() -> list[Path]:
    """The plug-in files registered so far, for handing on to worker processes."""
    return list(_extra_files.values())


def registered() -> dict[str, MethodInfo]:
    """All methods by name, in alphabetical order."""
    folder = Path(__file__).parent
    files = [(path, f"methods.{path.stem}") for path in sorted(folder.glob("*.py"))]
    files += [(path, module) for module, path in _extra_files.items()]
    found: dict[str, MethodInfo] = {}
    for path, module in files:
        for info in read_file(path, module):
            if info.name in found:
                raise MethodError(f"{path}: method name {info.name!r} is taken by {found[info.name].path}")
            found[info.name] = info
    return dict(sorted(found.items()))


def info(name: str) -> MethodInfo:
    """The declaration of one method. Raises MethodError with a suggestion where the name is unknown."""
    known = registered()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise MethodError(f"unknown method {name!r}{hint} (accepted: {', '.join(known)})")
    return known[name]


def load(name: str) -> type[Method]:
    """Import a method's class. Raises MethodError where its module fails or the class is no `Method`."""
    declared = info(name)
    try:
        if declared.module in _extra_files and declared.module not in sys.modules:
            spec = importlib.util.spec_from_file_location(declared.module, declared.path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[declared.module] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[declared.module]
                raise
        else:
            module = importlib.import_module(declared.module)
    except Exception as fault:
        raise MethodError(f"{declared.path}: fails on import: {type(fault).__name__}: {fault}") from fault
    from methods.base import Method

    found = getattr(module, declared.class_name)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise MethodError(f"{declared.path}: class {declared.class_name} is not a subclass of methods.base.Method")
    if found.loss is Method.loss:
        raise MethodError(f"{declared.path}: class {declared.class_name} does not define `loss`")
    return found


def _checked(name: str, value: Any, declared: HyperParameter, where: str) -> Value:
    here = f"{where}: hyper-parameter {name!r}"
    if value is None and declared["default"] is None:
        return None
    kind = value_type(declared, here)
    in_epochs = declared.get("unit") == "epochs"
    if kind is float and type(value) is int:
        value = float(value)
    if in_epochs and type(value) is float:
        if not 0.0 <= value <= 1.0:
            raise MethodError(f"{here} = {value}: a share of the run must lie in [0, 1]; epochs are whole numbers")
        return value
    if (given := type(value)) is not kind:
        raise MethodError(f"{here} = {value!r}: expected {kind.__name__}, got {given.__name__}")
    if "choices" in declared and value not in declared["choices"]:
        raise MethodError(f"{here} = {value!r}: accepted: {', '.join(declared['choices'])}")
    if "bounds" in declared and value is not None:
        low, high = declared["bounds"]
        if not low <= value <= high:
            raise MethodError(f"{here} = {value}: must lie in [{low}, {high}]")
    return value  # type: ignore[no-any-return]


def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Value]:
    """All hyper-parameters of a method: its defaults overlaid with `given`, checked for name, type and bounds."""
    declared = info(name)
    return resolve_hyper(declared.hyper, given, f"method {name!r}")


def resolve_hyper(declared: Mapping[str, HyperParameter], given: Mapping[str, Any], where: str) -> dict[str, Value]:
    """As `resolve`, for a table of declarations at hand. Raises MethodError."""
    for key in given:
        if key not in declared:
            near = difflib.get_close_matches(key, declared, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            accepted = ", ".join(declared) or "none"
            raise MethodError(f"{where}: unknown hyper-parameter {key!r}{hint} (accepted: {accepted})")
    return {key: _checked(key, given.get(key, d["default"]), d, where) for key, d in declared.items()}


def in_epochs(declared: Mapping[str, HyperParameter], values: Mapping[str, Value], epochs: int) -> dict[str, Value]:
    """`values` with every share of the run turned into a whole number of epochs (rounded half up)."""
    return {
        key: int(value * epochs + 0.5) if declared[key].get("unit") == "epochs" and isinstance(value, float) else value
        for key, value in values.items()
    }
