"""What a method says of itself, read from its source file without importing it (and so without torch)."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import unknown
from methods.contract_checks import (
    check_class,
    check_kept,
    check_no_value,
    functions,
    is_contract,
    taken_names,
    whole_number_annotated_float,
)
from methods.hyper import WHOLE_DEFAULT, HyperParameter, MethodError, check_declaration, check_is_dictionary
from methods.published import Published, check_published
from methods.reading import MISSING, Unreadable, attribute
from methods.sources import Class, State, assigned, line_of_descent, noting, read, state_of


@dataclass(frozen=True)
class MethodInfo:
    """What a method says of itself, and where it stands.

    has_loss: False where its class surely defines neither `loss` nor `step`. own_steps: it defines `step`.
    own_stages, own_phases: it defines `stages`, `epoch_start`, or may do so. declaring: the class with its file.
    """

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
    family: str = ""
    networks: int = 1
    passes_per_step: float = 1.0
    hyper: Mapping[str, HyperParameter] = field(default_factory=dict)
    has_loss: bool = True
    own_steps: bool = False
    own_stages: bool = False
    own_phases: bool = False
    declaring: Class | None = field(default=None, repr=False, compare=False)

    @property
    def published(self) -> tuple[Published, ...]:
        """What its paper trained it with, read when it is asked for: the tables are long, and few commands need them.

        Raises MethodError naming file, line and fault.
        """
        return () if self.declaring is None else _published(self.declaring, self.hyper)

    @functools.cached_property
    def sound(self) -> MethodInfo:
        """Itself, once the source of its class is found to keep the contract: looked at once, where a method is used.

        Raises MethodError naming file, line and fault.
        """
        if self.declaring is not None:
            lineage = [each for each in line_of_descent(self.declaring) if each is not None]
            check_class(lineage)
            check_kept(self.hyper, lineage)
            _published(self.declaring, self.hyper)
        return self


_OWN = ("name", "title", "published")  # what no class has from its parent
_REQUIRED = ("name", "title", "year", "reference")
_READ_AT_ONCE = (*_REQUIRED, "version", "family", "needs", "marks", "networks", "passes_per_step", "hyper")
LITERALS = (*_READ_AT_ONCE, "published")
"""The class attributes that are read. A class has those that it does not set from its parents, as in Python."""
_KINDS = {"name": str, "title": str, "year": int, "reference": str, "version": int, "networks": int,
          "family": str}  # fmt: skip
FAMILIES = ("baseline", "robust loss", "loss correction", "label refurbishment", "regularisation", "sample selection",
            "semi-supervised", "meta-learning")  # fmt: skip
"""What a method may call its kind, by what it does first against wrong labels; after the survey of Song et al., whose
hybrids are "semi-supervised" here (Learning from Noisy Labels with Deep Neural Networks, IEEE TNNLS 34, 2023)."""
FACTS = ("noise_rate", "noise_kind", "matrix", "trusted", "noisy_validation")
"""What a method may declare that it needs to know."""


_known: dict[tuple[Path, str], tuple[dict[Path, State], tuple[MethodInfo, ...]]] = {}


def read_file(path: Path, module: str) -> list[MethodInfo]:
    """The methods that the file at `path` declares. Raises MethodError naming file, line and fault.

    Read once for each state of the file and of those that its classes come from: planning a suite asks many times.
    """
    held = _known.get((path, module))
    if held is None or any(_state(file) != state for file, state in held[0].items()):
        with noting() as files:
            methods = tuple(_methods(path, module))
        held = _known[path, module] = {file: state_of(file) for file in files}, methods
    return list(held[1])


def _state(path: Path) -> State | None:
    try:
        return state_of(path)
    except MethodError:
        return None


def _methods(path: Path, module: str) -> list[MethodInfo]:
    source = read(path, module)
    try:
        infos = [_info((source, node)) for node in source.classes() if "name" in assigned(node.body)]
    except RecursionError:
        raise MethodError(f"{path}: its classes, or what they declare, come from themselves") from None
    return [info for info in infos if info is not None]


def _info(one: Class) -> MethodInfo | None:
    """What a class with a name says of itself; None: it is no method."""
    source, node = one
    where = f"{source.path}, line {node.lineno}: class {node.name}"
    descent = list(line_of_descent(one))
    lineage = [each for each in descent if each is not None]
    known = None not in descent
    is_method = not known or any(map(is_contract, lineage))
    declared = _declarations(one, is_method)
    missing = [key for key in _REQUIRED if key not in declared]
    if "name" not in declared or (missing and not is_method):
        return None  # another class of the file
    if not is_method:
        raise MethodError(f"{where} is not a subclass of methods.base.Method")
    if missing:
        raise MethodError(f"{where} lacks {', '.join(f'`{key}`' for key in missing)}")
    literals = _checked(declared, one)
    _check_hyper(literals.get("hyper", {}), one, lineage)
    defined = set[str]().union(*(_defined(each) for each in lineage if not is_contract(each)))
    has_loss, own_steps = not known or bool({"loss", "step"} & defined), "step" in defined
    return MethodInfo(
        class_name=node.name, module=source.module, path=source.path, has_loss=has_loss, own_steps=own_steps,
        own_stages="stages" in defined or not known, own_phases="epoch_start" in defined or not known, declaring=one,
        **literals,
    )  # fmt: skip


def _published(one: Class, hyper: Mapping[str, HyperParameter]) -> tuple[Published, ...]:
    """The entries of a class's own `published`, checked. Raises MethodError."""
    source, node = one
    if "published" not in assigned(node.body):
        return ()
    where = f"{source.path}, line {assigned(node.body)['published'].lineno}: class {node.name}"
    entries = _literal(one, "published")
    check_published(entries, hyper, where)
    return tuple(entries)


def _defined(one: Class) -> set[str]:
    """The functions of a class body, and the names that are assigned in it."""
    return functions(one).keys() | assigned(one[1].body).keys()


def _declarations(one: Class, strict: bool) -> dict[str, Any]:
    """The literals of a class and of its parents. strict: raise MethodError for one that is none; else leave it out."""
    declarations: dict[str, Any] = {}
    for key in _READ_AT_ONCE:
        if key in _OWN and key not in assigned(one[1].body):
            continue
        try:
            given = _literal(one, key)
        except MethodError:
            if strict:
                raise
            continue
        if given is not MISSING:
            declarations[key] = given
    return declarations


def _literal(one: Class, key: str) -> Any:
    """The literal that a class or its parents give a name, else MISSING. Raises MethodError where it is none."""
    try:
        return attribute(one, key)
    except Unreadable as fault:
        here = f"{fault.place}: class {one[1].name}"
        raise MethodError(f"{here}: `{key}` must be a plain literal, and {fault}") from None


def _check_hyper(hyper: Any, one: Class, lineage: Sequence[Class]) -> None:
    """Raise MethodError, naming the line, unless the hyper-parameters are well declared and hide nothing."""
    source, node = one
    own = assigned(node.body).get("hyper", node)
    check_is_dictionary(hyper, f"{source.path}, line {own.lineno}: class {node.name}")
    keys = own.keys if isinstance(own, ast.Dict) else []
    lines = {key.value: key.lineno for key in keys if isinstance(key, ast.Constant)}
    taken = taken_names(lineage)
    for name, declared in hyper.items():
        where = f"{source.path}, line {lines.get(name, own.lineno)}: class {node.name}"
        check_declaration(name, declared, hyper, where)
        if name in taken:
            raise MethodError(f"{where}: hyper-parameter {name!r} would hide the attribute `{name}`, {taken[name]}")
        check_no_value(name, lineage)
        whole = type(declared["default"]) is int and not {"unit", "type"} & declared.keys()
        if whole and whole_number_annotated_float(name, lineage):
            raise MethodError(f"{where}: hyper-parameter {name!r} {WHOLE_DEFAULT.format(declared['default'])}")


def _checked(declared: dict[str, Any], one: Class) -> dict[str, Any]:
    """The literals of a method, if each is of its kind. Raises MethodError."""
    source, node = one
    where = f"{source.path}, line {node.lineno}: class {node.name}"
    for key, kind in _KINDS.items():
        if key in declared and type(declared[key]) is not kind:
            raise MethodError(f"{where}: `{key}` = {declared[key]!r}: must be of type {kind.__name__}")
    if not (declared["name"].isidentifier() and declared["name"].islower()):
        raise MethodError(f"{where}: `name` = {declared['name']!r}: must be of small letters, digits and underscores")
    if type(declared.get("passes_per_step", 1.0)) not in (int, float):
        raise MethodError(f"{where}: `passes_per_step` = {declared['passes_per_step']!r}: must be a number")
    if declared.get("family", "") not in ("", *FAMILIES):
        raise unknown("family", declared["family"], FAMILIES, where, error=MethodError)
    for key in ("needs", "marks"):
        given = declared.get(key, ())
        if not isinstance(given, frozenset | set | tuple | list) or not all(isinstance(part, str) for part in given):
            raise MethodError(f"{where}: `{key}` must be a set of words, such as frozenset({{'noise_rate'}})")
        declared[key] = frozenset(given)
    if strange := sorted(declared["needs"] - set(FACTS)):
        raise MethodError(f"{where}: `needs` has the unknown fact {strange[0]!r} (accepted: {', '.join(FACTS)})")
    return declared


def check_as_read(imported: type, info: MethodInfo) -> None:
    """Raise MethodError where an imported class has other values than were read from its source."""
    for key in LITERALS:
        own, read_as = getattr(imported, key, None), getattr(info, key)
        if key == "published":
            own = tuple(vars(imported).get(key, ()))
        if isinstance(read_as, frozenset) and isinstance(own, set | tuple | list):
            own = frozenset(own)
        if own != read_as:
            raise MethodError(
                f"{info.path}: class {info.class_name}: `{key}` = {own!r} was read from its source as {read_as!r}: "
                "it must be told in the class body"
            )
