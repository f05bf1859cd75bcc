"""The list of methods, read from their source files without importing torch.

A method declares itself by plain class-level literals (`name`, `title`, `year`, ...); this module parses the files of
this folder, and any plug-in added to them, and imports a method's module only when it is asked for.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from common.registry import Registry
from methods.declaration import MethodInfo, check_as_read, read_file
from methods.hyper import HyperParameter, MethodError, Value, in_epochs, resolve_hyper, value_type
from methods.sources import Imported, read

if TYPE_CHECKING:
    from methods.base import Method

__all__ = [
    "METHODS", "HyperParameter", "MethodError", "MethodInfo", "Value", "add_file", "add_module", "import_file",
    "in_epochs", "info", "load", "module_name", "registered", "resolve", "resolve_hyper", "value_type",
]  # fmt: skip

_FOLDER = Path(__file__).resolve().parent
_PREFIX = "noisy_label_plugin_"


def _built_in() -> Iterator[MethodInfo]:
    for path in sorted(_FOLDER.glob("*.py")):
        yield from read_file(path, f"methods.{path.stem}")


METHODS: Registry[MethodInfo] = Registry("method", _built_in, MethodError)
"""Read from their files when the first is asked for."""


def module_name(path: Path) -> str:
    """The name under which a plug-in file is imported; it changes with place and content, so none is used when stale.

    Raises MethodError where the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise MethodError(f"{path}: {fault.strerror}") from None
    digest = hashlib.sha256(str(path).encode() + b"\0" + content).hexdigest()
    return f"{_PREFIX}{path.stem}_{digest[:12]}"


def add_file(path: Path) -> list[MethodInfo]:
    """Register the methods of a plug-in file. Raises MethodError where it declares none or a name is taken."""
    path = path.resolve()
    if path.parent == _FOLDER and path.suffix == ".py":
        return read_file(path, f"methods.{path.stem}")
    return add_module(module_name(path), path)


def add_module(module: str, path: Path) -> list[MethodInfo]:
    """Register the methods of the module with the source file `path`. Raises MethodError as `add_file` does."""
    found = read_file(path, module)
    if not found:
        raise MethodError(f"{path}: declares no method (a subclass of methods.base.Method with a literal `name`)")
    for number, info in enumerate(found):
        others = [METHODS[info.name].path] if info.name in METHODS else []
        if info.name in {other.name for other in found[:number]} or any(other != path for other in others):
            raise MethodError(f"{path}: method name {info.name!r} is taken by {[*others, path][0]}")
        if not info.has_loss:
            raise MethodError(f"{path}: class {info.class_name} does not define `loss`")
    METHODS.forget(path)  # what it no longer declares
    for info in found:
        METHODS.add(info, path)
    return found


def registered() -> dict[str, MethodInfo]:
    """All methods by name, in alphabetical order."""
    return dict(sorted((info.name, info) for info in METHODS))


def info(name: str) -> MethodInfo:
    """The declaration of one method. Raises MethodError with a suggestion where the name is unknown."""
    return METHODS[name]


def import_file(path: Path, module: str) -> ModuleType:
    """Import a plug-in's module, once; it may import files that lie beside it.

    Raises MethodError with one line naming file, line and fault.
    """
    try:
        if not module.startswith(_PREFIX):
            return importlib.import_module(module)
        if module not in sys.modules:
            spec = importlib.util.spec_from_file_location(module, path)
            if spec is None or spec.loader is None:
                raise ImportError("its name must end in .py")
            sys.modules[module] = importlib.util.module_from_spec(spec)
            if str(path.parent) not in sys.path:
                sys.path.append(str(path.parent))  # the last place: nothing of anybody else's is hidden
            try:
                spec.loader.exec_module(sys.modules[module])
                _check_neighbours(path)
            except BaseException:
                del sys.modules[module]
                raise
        return sys.modules[module]
    except MethodError:
        raise
    except (Exception, SystemExit) as fault:
        lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == str(path)]
        place = f", line {lines[-1]}" if lines else ""
        raise MethodError(f"{path}{place}: fails on import: {type(fault).__name__}: {fault}") from fault


def _check_neighbours(path: Path) -> None:
    """Raise MethodError where a plug-in imports another module than the file of that name that lies beside it."""
    for imported in read(path, path.stem).names.values():
        beside = path.parent / f"{imported.module}.py" if isinstance(imported, Imported) else path
        found = getattr(sys.modules.get(beside.stem), "__file__", None)
        if beside != path and beside.is_file() and found and Path(found).resolve() != beside:
            raise MethodError(f"{path}: imports {beside.stem!r} from {found}, not from the file beside it: rename one")


def load(name: str) -> type[Method]:
    """Import a method's class. Raises MethodError where its module fails or the class is no `Method`."""
    declared = info(name)
    module = import_file(declared.path, declared.module)
    from methods.base import Method

    found = getattr(module, declared.class_name, None)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise MethodError(f"{declared.path}: class {declared.class_name} is not a subclass of methods.base.Method")
    if found.loss is Method.loss:
        raise MethodError(f"{declared.path}: class {declared.class_name} does not define `loss`")
    check_as_read(found, declared)
    return found


def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Value]:
    """All hyper-parameters of a method: its defaults overlaid with `given`, checked for name, type and bounds."""
    return resolve_hyper(info(name).hyper, given, f"method {name!r}")
