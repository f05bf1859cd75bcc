"""What the checks of a record are made of: each refuses a value, a list or a table, naming the key where it stands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from results.plain import is_name, shown
from results.record import StoreError

Json: TypeAlias = dict[str, Any]
Accepted: TypeAlias = tuple[Callable[[Any], bool], str]
"""What a value must fulfil, and how a refusal says it."""

NUMBER = (int, float)


def check_type(record: Json, key: str, kinds: tuple[type, ...], where: str) -> None:
    """Raises StoreError where the key is missing or its value is of none of the kinds."""
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise StoreError(f"{where}: key {key!r} is missing")
        value = value[part]
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise StoreError(f"{where}: key {key!r} must be {expected}, not {type(value).__name__}")


def need(fits: bool, key: str, value: Any, accepted: str, where: str) -> None:
    """Raises StoreError where the value does not fit."""
    if not fits:
        raise StoreError(f"{where}: key '{key}' is {shown(value)} (accepted: {accepted})")


def is_number(value: Any) -> bool:
    """Whether it is a number; a truth value is none."""
    return type(value) in NUMBER


def is_share(value: Any) -> bool:
    """Whether it is a number in [0, 1]."""
    return type(value) in NUMBER and 0 <= value <= 1


def _or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


SHARE, MEASURE = (_or_null(is_share), "in [0, 1], or null"), (_or_null(is_number), "a number, or null")
COUNT = (_or_null(lambda value: is_number(value) and value >= 0), "a number from 0, or null")


def check_name(name: Any, key: str, where: str) -> None:
    """Raises StoreError for what can be no identifier and no file's name."""
    if not is_name(name):
        raise StoreError(
            f"{where}: key '{key}' holds the name {shown(name)} (accepted: letters, digits, '_', '-' and '.', "
            "at most 100, beginning with a letter, a digit or '_')"
        )


def check_group(groups: Any, values: Accepted, key: str, where: str) -> None:
    """A table of equally long lists, one of which says the epochs."""
    need(isinstance(groups, dict), key, groups, "a table of lists", where)
    check_type(groups, "epoch", (list,), f"{where}: {key}")
    epochs = groups["epoch"]
    check_lengths(groups, len(epochs), key, where)
    rising = all_of(epochs, int) and all(0 < a < b for a, b in itertools.pairwise(epochs))
    need(rising and all(0 < epoch <= 10**6 for epoch in epochs), f"{key}.epoch", epochs, "rising epochs", where)
    for name, measured in groups.items():
        check_name(name, key, where)
        if name != "epoch":
            check_values(measured, values, f"{key}.{name}", where)


def all_of(values: Iterable[Any], kind: type) -> bool:
    """Whether all values are of the kind."""
    return set(map(type, values)) <= {kind}


def check_lengths(curves: Json, length: int, key: str, where: str) -> None:
    """Raises StoreError where one is no list of that length."""
    for name, values in curves.items():
        if not isinstance(values, list) or len(values) != length:
            name = shown(name)[1:-1]
            raise StoreError(f"{where}: key '{key}.{name}' must be a list of {length} values, one an epoch")


def check_values(values: Any, accepted: Accepted, key: str, where: str) -> None:
    """Raises StoreError naming the first value of the list that is not accepted."""
    need(isinstance(values, list), key, values, f"a list of values, each {accepted[1]}", where)
    for position, value in enumerate(values):
        if not accepted[0](value):
            need(False, f"{key}[{position}]", value, accepted[1], where)


def check_matrix(rows: Any, size: int, values: Accepted, key: str, where: str) -> None:
    """A square table whose values are accepted."""
    square = isinstance(rows, list) and len(rows) == size and all(isinstance(r, list) and len(r) == size for r in rows)
    need(square, key, rows, f"{size} lists of {size} numbers", where)
    for position, row in enumerate(rows):
        check_values(row, values, f"{key}[{position}]", where)


def check_share(value: Any, key: str, where: str) -> None:
    """Raises StoreError for what is no number in [0, 1]."""
    if not isinstance(value, NUMBER) or isinstance(value, bool) or not 0 <= value <= 1:
        raise StoreError(f"{where}: key {key!r} must be a share in [0, 1], not {value!r}")
