"""The list of methods, read from their source files without importing torch.

A method declares itself by plain class-level literals (`name`, `title`, `year`, ...); this module parses the files of
this folder, and any plug-in added to them, and imports a method's module only when it is asked for.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from common.errors import as_known
from common.registry import Registry
from methods.declaration import MethodInfo, check_as_read, read_file
from methods.hyper import HyperParameter, MethodError, Value, resolve_hyper, value_type, with_epochs, without_later
from methods.sources import Imported, read

if TYPE_CHECKING:
    from methods.base import Method

__all__ = [
    "METHODS", "HyperParameter", "MethodError", "MethodInfo", "Value", "add_file", "add_module", "import_file", "info",
    "load", "module_name", "registered", "resolve", "resolve_hyper", "specified", "typed", "value_type",
    "with_epochs",
]  # fmt: skip

_FOLDER = Path(__file__).resolve().parent
_PREFIX = "noisy_label_plugin_"


def _saying(text: str) -> Iterator[MethodInfo]:
    """The methods of the files here that hold a text: what no file is parsed for costs little."""
    for path in sorted(_FOLDER.glob("*.py")):
        if text in path.read_text(encoding="utf-8"):
            yield from read_file(path, f"methods.{path.stem}")


def _built_in() -> Iterator[MethodInfo]:
    return _saying('\n    name = "')


@functools.cache
def _single(name: str) -> MethodInfo | None:
    return next((one for one in _saying(f'\n    name = "{name}"\n') if one.name == name), None)


METHODS: Registry[MethodInfo] = Registry("method", _built_in, MethodError, _single)
"""Read from their files when asked for: one alone, or all."""


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


def is_plugin_file(module: str) -> bool:
    """Whether a module's name is one that `module_name` gives."""
    return module.startswith(_PREFIX)


def add_file(path: Path) -> list[MethodInfo]:
    """Register the methods of a plug-in file. Raises MethodError where it declares none or a name is taken."""
    path = path.resolve()
    if path.parent == _FOLDER and path.suffix == ".py":
        return read_file(path, f"methods.{path.stem}")
    return add_module(module_name(path), path)


def add_module(module: str, path: Path) -> list[MethodInfo]:
    """Register the methods of the module with the source file `path`. Raises MethodError as `add_file` does."""
    declared = read_file(path, module)
    if not declared:
        raise MethodError(f"{path}: declares no method (a subclass of methods.base.Method with a literal `name`)")
    for number, info in enumerate(one.sound for one in declared):
        others = [METHODS[info.name].path] if info.name in METHODS else []
        if info.name in {other.name for other in declared[:number]} or any(other != path for other in others):
            raise MethodError(f"{path}: method name {info.name!r} is taken by {[*others, path][0]}")
        if not info.has_loss:
            raise MethodError(f"{path}: class {info.class_name} does not define `loss`, nor `step`")
    METHODS.forget(path)  # what it no longer declares
    for info in declared:
        METHODS.add(info, path)
    return declared


def registered() -> dict[str, MethodInfo]:
    """All methods by name, in alphabetical order."""
    return dict(sorted((info.name, info) for info in METHODS))


def info(name: str) -> MethodInfo:
    """The declaration of one method, whose class keeps the contract.

    Raises MethodError, with a suggestion where the name is unknown.
    """
    return METHODS[name].sound


def typed(name: str, rows: Collection[str] = ()) -> str:
    """The row or the method that a hand means: in any case, with hyphens; `name` itself where there is none such."""
    known = as_known(name, rows)
    return known if known in rows or known in METHODS else as_known(known, METHODS.names)


def import_file(path: Path, module: str) -> ModuleType:
    """Import a plug-in's module, once; it may import files that lie beside it.

    Raises MethodError with one line naming file, line and fault.
    """
    try:
        if not is_plugin_file(module):
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
    except (Exception, SystemExit) as fault:
        if isinstance(fault, MethodError) and str(fault).startswith(str(path)):
            raise
        lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == str(path)]
        place = f", line {lines[-1]}" if lines else ""
        kind = "" if isinstance(fault, MethodError) else f"{type(fault).__name__}: "
        raise MethodError(f"{path}{place}: fails on import: {kind}{fault}") from fault


def _check_neighbours(path: Path) -> None:
    """Raise MethodError where a plug-in imports another module than the file of that name that lies beside it."""
    for imported in read(path, path.stem).names.values():
        beside = path.parent / f"{imported.module}.py" if isinstance(imported, Imported) else path
        file = getattr(sys.modules.get(beside.stem), "__file__", None)
        if beside != path and beside.is_file() and file and Path(file).resolve() != beside:
            raise MethodError(f"{path}: imports {beside.stem!r} from {file}, not from the file beside it: rename one")


def load(name: str) -> type[Method]:
    """Import a method's class. Raises MethodError where its module fails or the class is no `Method`."""
    declared = info(name)
    module = import_file(declared.path, declared.module)
    from methods.base import Method

    method_class = getattr(module, declared.class_name, None)
    if not (isinstance(method_class, type) and issubclass(method_class, Method)):
        raise MethodError(f"{declared.path}: class {declared.class_name} is not a subclass of methods.base.Method")
    if method_class.loss is Method.loss and method_class.step is Method.step:
        raise MethodError(f"{declared.path}: class {declared.class_name} does not define `loss`, nor `step`")
    check_as_read(method_class, declared)
    return method_class


def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Value]:
    """All hyper-parameters of a method: its defaults overlaid with `given`, checked for name, type and bounds."""
    return resolve_hyper(info(name).hyper, given, f"method {name!r}")


def specified(name: str, given: Mapping[str, Any]) -> dict[str, Value]:
    """The hyper-parameters of a method as a specification holds them: `resolve` tells the others from these."""
    return without_later(info(name).hyper, resolve(name, given))
