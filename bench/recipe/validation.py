"""Tables against their models: every fault becomes one line that names file, key and accepted values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from common.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Place:
    """Where a table stands: in which file, and below which key of it.

    also: keys that it takes beside its model's. by: who accepts them, where that depends on another key.
    """

    path: str
    key: str = ""
    also: tuple[str, ...] = ()
    by: str = ""


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, dict, Union, UnionType):
        for argument in get_args(annotation):
            model = _model_of(argument)
            if model is not None:
                return model
    return None


def _keys_at(root: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys accepted in the table that holds the last part of a location below `root`."""
    model: type[BaseModel] | None = root
    inside_mapping = False
    for part in location[:-1]:
        if inside_mapping or isinstance(part, int):
            inside_mapping = False
            continue
        if model is None or part not in model.model_fields:
            return []
        annotation = model.model_fields[str(part)].annotation
        inside_mapping = get_origin(annotation) is dict
        model = _model_of(annotation)
    return list(model.model_fields) if model else []


# pydantic speaks of Python's types; a suite file has TOML's
_IN_TOML = {
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "list_type": "must be a list",
    "too_short": "must not be empty",
}
_BRANCHES = ("int", "float", "constrained-int", "constrained-float")  # how pydantic names the parts of `int | float`


def _line(place: Place, root: type[BaseModel], error: Mapping[str, Any]) -> str:
    location = tuple(part for part in error["loc"] if part not in _BRANCHES)
    key = ".".join(str(part) for part in (place.key, *location) if part != "")
    kind, path = error["type"], place.path
    if kind == "extra_forbidden":
        accepted = _keys_at(root, location)
        if len(location) == 1:
            accepted = [*place.also, *accepted]
        hint, by = did_you_mean(str(location[-1]), accepted), f" by {place.by}" if place.by else ""
        return f"{path}: unknown key {key!r}{hint} (accepted{by}: {', '.join(accepted)})"
    if kind == "missing":
        return f"{path}: key {key!r} is missing"
    if kind == "value_error":
        return f"{path}: key {key!r}: {error['ctx']['error']}"
    if len(location) < len(error["loc"]):
        return f"{path}: key {key!r} = {error['input']!r}: must be a whole number or a share below 1"
    message = _IN_TOML.get(kind) or str(error["msg"]).replace("Input should be", "must be")
    return f"{path}: key {key!r} = {error['input']!r}: {message}"


Part = TypeVar("Part", bound=BaseModel)


def validate_part(model: type[Part], tables: Mapping[str, Any], place: Place | str) -> Part:
    """The tables as `model`. Raises UserError with one line for the first fault (unknown keys before others).

    place: of the tables, or the file alone.
    """
    try:
        return model.model_validate(tables)
    except ValidationError as fault:
        errors = fault.errors(include_url=False)
        errors.sort(key=lambda error: error["type"] != "extra_forbidden")
        raise UserError(_line(Place(place) if isinstance(place, str) else place, model, errors[0])) from None
