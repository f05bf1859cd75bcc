"""Hyper-parameters: how a method declares them, and how given values are checked against the declaration.

`real`, `integer`, `epochs`, `choice` and `flag` make a declaration in one line. A declaration is read from the source,
where these five are known by name (`methods.reading`).
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from typing import Any, Literal, NotRequired, TypedDict, Unpack, cast

from common.errors import unknown

Value = bool | int | float | str | None


class MethodError(Exception):
    """A method or one of its settings is unknown, malformed or out of bounds. The text is one line for the user."""


class HyperParameter(TypedDict):
    """The declaration of one hyper-parameter, as the functions below make it; a dictionary literal does as well.

    `default` fixes the type (bool, int, float or str); where it is None, `type` names it ("int", "float", "str").
    `unit = "epochs"`: a whole number of epochs, or a float between 0 and 1 as that share of the run; `type` is then
    "int", and need not be named.
    `source` says where the default comes from (paper, repository, or "inferred").
    `scale`, `search`: how `tune` draws values, and from which range (of shares, where the unit is epochs); None: not
    at all. `bench.tuning.search` says what it does where they are absent.
    `authors`: the default in place of `default` where `authors_behaviour`, a switch of the same method, is on.
    `later`: it came when the method had records already. Left at its default it is no part of a specification, so that
    their addresses stay (`without_later`); with the default the method must do what it did before.
    `headless`: values of others with which it counts only where the network has no head of its own for a sample's
    confidence; elsewhere a value that is not the default is refused (`idle`).
    """

    default: Value
    source: str
    bounds: NotRequired[tuple[float, float]]
    choices: NotRequired[tuple[str, ...]]
    unit: NotRequired[Literal["epochs"]]
    type: NotRequired[Literal["bool", "int", "float", "str"]]
    scale: NotRequired[Literal["linear", "log"]]
    search: NotRequired[tuple[float, float] | None]
    authors: NotRequired[Value]
    later: NotRequired[bool]
    headless: NotRequired[Mapping[str, Value]]


class Further(TypedDict, total=False):
    """What a declaration may say beside its default, bounds and source: see `HyperParameter`."""

    scale: Literal["linear", "log"]
    search: tuple[float, float] | None
    authors: Value
    later: bool
    headless: Mapping[str, Value]


def _declared(further: Further, **said: Any) -> HyperParameter:
    return cast(HyperParameter, {**said, **further})


def _of(kind: type, default: Any) -> Any:
    """The default, if it is of the kind that a helper declares: 1.0 would make real numbers of whole ones."""
    if default is not None and type(default) is not kind:
        raise ValueError(f"the default {default!r} is not of type {kind.__name__}")
    return default


def real(default: float | None, low: float, high: float, *, source: str, **further: Unpack[Further]) -> HyperParameter:
    """A real number in [low, high]."""
    kind = {"type": "float"} if default is None else {}
    value, bounds = None if default is None else float(default), (float(low), float(high))
    return _declared(further, default=value, bounds=bounds, source=source, **kind)


def integer(default: int | None, low: int, high: int, *, source: str, **further: Unpack[Further]) -> HyperParameter:
    """A whole number in [low, high]."""
    kind = {"type": "int"} if default is None else {}
    return _declared(further, default=_of(int, default), bounds=(low, high), source=source, **kind)


def epochs(
    default: float, low: int = 0, high: int = 100_000, *, source: str, **further: Unpack[Further]
) -> HyperParameter:
    """A number of epochs in [low, high]: a whole number, or a float between 0 and 1 as that share of the run."""
    return _declared(further, default=default, unit="epochs", bounds=(low, high), source=source)


def choice(default: str, *others: str, source: str, **further: Unpack[Further]) -> HyperParameter:
    """One of the words `default` and `others`."""
    return _declared(further, default=_of(str, default), choices=(default, *others), source=source)


def flag(default: bool, *, source: str, **further: Unpack[Further]) -> HyperParameter:
    """A switch."""
    return _declared(further, default=_of(bool, default), source=source)


HELPERS: dict[str, Callable[..., HyperParameter]] = {
    made.__name__: made for made in (real, integer, epochs, choice, flag)
}

_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_SCALES = ("linear", "log")
AUTHORS = "authors_behaviour"  # the switch between this suite's defaults and the authors'


def value_type(declared: Mapping[str, Any], where: str) -> type:
    """The Python type of a hyper-parameter's values. Raises MethodError where the declaration gives none."""
    named = declared.get("type", "int" if declared.get("unit") == "epochs" else None)  # also where a share is default
    if named is not None:
        if named not in _TYPES:
            raise MethodError(f"{where}: unknown hyper-parameter type {named!r} (accepted: {', '.join(_TYPES)})")
        return _TYPES[named]
    kind = type(declared.get("default"))
    if kind not in _TYPES.values():
        raise MethodError(f"{where}: unknown hyper-parameter type {kind.__name__} (accepted: {', '.join(_TYPES)})")
    return kind


WHOLE_DEFAULT = "= {0} is a whole number, and no other would be accepted; a real number's default is written {0}.0"


def check_is_dictionary(hyper: Any, where: str) -> None:
    """Raise MethodError unless `hyper` is a dictionary."""
    if not isinstance(hyper, dict):
        raise MethodError(f"{where}: `hyper` must be a dictionary")


def check_declaration(name: Any, declared: Any, hyper: Mapping[str, Any], where: str) -> None:
    """Raise MethodError unless one declaration of `hyper` is well-formed, with defaults that it accepts."""
    here = f"{where}: hyper-parameter {name!r}"
    if not isinstance(declared, dict) or not {"default", "source"} <= declared.keys():
        raise MethodError(f"{here} needs a dictionary with `default` and `source`")
    unknown = set(declared) - set(HyperParameter.__annotations__)
    if unknown:
        raise MethodError(f"{here} has unknown keys: {', '.join(sorted(unknown))}")
    if not (isinstance(name, str) and name.isidentifier()) or keyword.iskeyword(name) or name.startswith("_"):
        raise MethodError(f"{here}: its name must be fit for an attribute")
    value_type(declared, here)
    for key in ("bounds", "search"):
        if not (key == "search" and declared.get(key) is None) and key in declared and not _is_range(declared[key]):
            raise MethodError(f"{here}: `{key}` must be a pair of numbers, the lower one first")
    if declared.get("scale", "log") not in _SCALES:
        raise MethodError(f"{here}: `scale` = {declared['scale']!r} (accepted: {', '.join(_SCALES)})")
    if declared.get("unit", "epochs") != "epochs":
        raise MethodError(f"{here}: `unit` = {declared['unit']!r} (accepted: epochs)")
    if "unit" in declared and declared.get("type", "int") != "int":
        raise MethodError(f"{here}: epochs are whole numbers or shares of the run: `type` is int, or left out")
    if type(declared.get("later", True)) is not bool:
        raise MethodError(f"{here}: `later` = {declared['later']!r} (accepted: True, False)")
    headless = declared.get("headless", {})
    if not (isinstance(headless, dict) and headless.keys() <= hyper.keys()):
        raise MethodError(f"{here}: `headless` must be a dictionary of values of other hyper-parameters")
    if not isinstance(declared.get("choices", ()), tuple | list):
        raise MethodError(f"{here}: `choices` must be a tuple")
    if _is_whole_among_reals(declared):
        raise MethodError(f"{here} {WHOLE_DEFAULT.format(declared['default'])}")
    for key in ("default", "authors"):
        if key in declared:
            checked(name, declared[key], declared, where)  # type: ignore[arg-type]
    if "authors" in declared and hyper.get(AUTHORS, {}).get("default") is not False:
        raise MethodError(f"{here}: `authors` needs a hyper-parameter {AUTHORS!r} of the method, False by default")


def _is_whole_among_reals(declared: Mapping[str, Any]) -> bool:
    """Whether the default is a whole number where the declaration otherwise speaks of real ones."""
    others = (*declared.get("bounds", ()), *(declared.get("search") or ()), declared.get("authors"))
    whole = type(declared["default"]) is int and not {"unit", "type"} & declared.keys()
    return whole and any(type(other) is float for other in others)


def _is_range(value: Any) -> bool:
    numbers = isinstance(value, tuple | list) and all(type(end) in (int, float) for end in value)
    return numbers and len(value) == 2 and bool(value[0] <= value[1])


def checked(name: str, value: Any, declared: HyperParameter, where: str) -> Value:
    """The value of one hyper-parameter as its declaration wants it. Raises MethodError."""
    here = f"{where}: hyper-parameter {name!r}"
    if value is None and declared["default"] is None:
        return None
    kind = value_type(declared, here)
    if kind is float and type(value) is int:
        value = float(value)
    if declared.get("unit") == "epochs" and type(value) is float:
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


def resolve_hyper(declared: Mapping[str, HyperParameter], given: Mapping[str, Any], where: str) -> dict[str, Value]:
    """All hyper-parameters: defaults overlaid with `given`, checked for name, type and bounds. Raises MethodError.

    Where `given` switches `authors_behaviour` on, the defaults are the authors', as far as they are declared.
    """
    for key in given:
        if key not in declared:
            raise unknown("hyper-parameter", key, declared, where, error=MethodError)
    return {key: checked(key, given.get(key, _usual(d, given)), d, where) for key, d in declared.items()}


def _usual(declared: HyperParameter, given: Mapping[str, Any]) -> Value:
    """What stands for a value that is not given beside the others `given`."""
    authors = given.get(AUTHORS) is True and "authors" in declared
    return declared["authors"] if authors else declared["default"]


def idle(declared: Mapping[str, HyperParameter], values: Mapping[str, Value]) -> list[str]:
    """Those of `values` that are not what would stand for them anyway, and do not count beside a network's own head."""
    return [
        key
        for key, each in declared.items()
        if "headless" in each
        and all(values[other] == value for other, value in each["headless"].items())
        and values[key] != _usual(each, values)
    ]


def without_later(declared: Mapping[str, HyperParameter], values: Mapping[str, Value]) -> dict[str, Value]:
    """`values` as specifications hold them: without those that came later and are what would stand for them anyway.

    `resolve_hyper` gives them back. A share of the run, 1.0, is no number of epochs, 1.
    """

    def is_usual(key: str, value: Value) -> bool:
        usual = _usual(declared[key], values)
        return type(value) is type(usual) and value == usual

    return {key: value for key, value in values.items() if not (declared[key].get("later") and is_usual(key, value))}


def with_epochs(declared: Mapping[str, HyperParameter], values: Mapping[str, Value], epochs: int) -> dict[str, Value]:
    """`values` with every share of the run turned into a whole number of epochs (rounded half up)."""
    return {
        key: int(value * epochs + 0.5) if declared[key].get("unit") == "epochs" and isinstance(value, float) else value
        for key, value in values.items()
    }
