"""The procedure of a row as data: every setting that decides its number, by a dotted key, with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.planning.settings import MethodRow, Suite, When
from bench.planning.spec import Cell
from common.specification import as_json
from methods import registry as methods

Value = bool | int | float | str | list[Any] | None
Place = tuple[str, str]
"""A data set and the title of a setting."""
OF_THE_SUITE = "the suite's"
OF_THE_METHOD = "the method's default"
SHARED = (OF_THE_SUITE, OF_THE_METHOD)

_BY_THE_ROW = {"scored": "scored", "noise_rate_error": "noise_rate_error", "data.training_rows": "training_rows"}
"""Keys that a row states beside its training -> its field of them."""

_NOT_OF_A_PROCEDURE = ("protocol", "seed", "threads", "precision", "compile", "memorisation_every", "dataset", "method")
"""Parts of a specification that are this suite's business, or stand under another key."""


@dataclass(frozen=True)
class StatedValue:
    """One value of a procedure. places: where it has this value; empty: everywhere."""

    key: str
    value: Value
    source: str
    places: tuple[Place, ...] = ()


def procedure(cell: Cell, suite: Suite) -> dict[str, Value]:
    """All that decides a cell's number, from dotted keys such as `optimizer.lr`, `hyper.penalty`, `noise.model`.

    `selection` is the rule of its number, `seeds` how many runs its mean joins.
    """
    spec = as_json(cell.spec)
    flat: dict[str, Value] = {}
    for key, value in spec.items():
        if key not in _NOT_OF_A_PROCEDURE:
            _flatten(key, value, flat)
    _flatten("data", {key: value for key, value in spec["dataset"].items() if key not in ("version", "content")}, flat)
    flat["method"] = cell.spec.method.name
    _flatten("hyper", methods.resolve(cell.spec.method.name, cell.spec.method.hyper), flat)
    flat["selection"] = cell.claim.selection or suite.select
    flat["seeds"] = suite.seeds
    return flat


def _flatten(key: str, value: Any, flat: dict[str, Value]) -> None:
    if not isinstance(value, Mapping):
        flat[key] = list(value) if isinstance(value, tuple) else value
        return
    for name, part in value.items():
        _flatten(f"{key}.{name}", part, flat)


def place_of(cell: Cell) -> Place:
    """The column of a cell."""
    return cell.spec.dataset.name, cell.setting


def settings_of(cells: Sequence[Cell], suite: Suite) -> list[StatedValue]:
    """The procedure of one row over all its settings; a value that differs between them stands once for each value."""
    row = suite.methods[cells[0].row]
    whole = [(cell, procedure(cell, suite)) for cell in cells]
    stated = []
    for key in dict.fromkeys(key for _, values in whole for key in values):
        places: dict[tuple[str, str], list[Place]] = {}
        values: dict[tuple[str, str], Value] = {}
        for cell, each in whole:
            where = (repr(each.get(key)), source_of(key, cell, row))
            places.setdefault(where, []).append(place_of(cell))
            values[where] = each.get(key)
        for where, titles in places.items():
            stated.append(StatedValue(key, values[where], where[1], () if len(places) == 1 else tuple(titles)))
    return stated


def source_of(key: str, cell: Cell, row: MethodRow) -> str:
    """Where a value comes from: what the row says of it, else of all its values, else one of `SHARED`."""
    for named, source in cell.claim.sources:
        if key == named or key.startswith(f"{named}."):
            return source
    number = cell.claim.when
    parts: tuple[MethodRow | When, ...] = (row,) if number is None else (row, row.when[number])
    if any(_sets(part, key) for part in parts):
        return cell.claim.source or "the suite's file"
    return OF_THE_METHOD if key.startswith("hyper.") else OF_THE_SUITE


def _sets(part: MethodRow | When, key: str) -> bool:
    """Whether a row or one of its conditions has a value of its own under a key of its procedure."""
    head, _, rest = key.partition(".")
    if key in _BY_THE_ROW:
        return _BY_THE_ROW[key] in part.model_fields_set
    if head == "hyper":
        return rest in part.hyper
    if head in ("noise", "selection", "data"):
        own = {"noise": part.noise, "selection": part.select, "data": part.validation}[head]
        return own is not None and (head != "data" or rest.startswith("validation"))
    value = getattr(part.training, head) if head in part.training.model_fields_set else None
    if head in ("optimizer", "augmentation"):  # a part of their keys is enough
        return value is not None and rest in value
    return value is not None


def own_settings(cell: Cell, suite: Suite) -> dict[str, Value]:
    """The values of a procedure that a row has of its own; of its training only what is not as the suite has it."""
    row, shared = suite.methods[cell.row], dict[str, Value]()
    for key, value in suite.training.model_dump().items():
        _flatten(key, value, shared)
    return {
        key: value
        for key, value in procedure(cell, suite).items()
        if source_of(key, cell, row) not in SHARED and not (key in shared and shared[key] == value)
    }
