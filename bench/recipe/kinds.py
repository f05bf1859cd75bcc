"""Tables of `training` whose keys depend on their `name`: the optimiser's and the schedule's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from bench.recipe.optimizers import OPTIMIZERS
from bench.recipe.schedules import SCHEDULES
from bench.recipe.tables import Table
from bench.recipe.validation import Place, validate_part
from common.errors import UserError
from common.registry import Registry, resolve


class Kind(Protocol):
    """What can be named in such a table."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> type[Table] | str: ...


AnyKind = TypeVar("AnyKind", bound=Kind)


def model_of(kind: Kind) -> type[Table]:
    """The model of a kind's settings."""
    model: type[Table] = resolve(kind.settings)
    return model


@dataclass(frozen=True)
class KindTable(Generic[AnyKind]):
    """A table that names one of `kinds`, else stands for `default`, and has the keys of that one."""

    kinds: Registry[AnyKind]
    default: str

    def kind(self, table: Mapping[str, Any], place: Place) -> AnyKind:
        """The kind that a table names. Raises UserError where there is none."""
        name = table.get("name", self.default)
        key = f"{place.key}.name" if place.key else "name"
        if not isinstance(name, str):
            raise UserError(f"{place.path}: key {key!r} = {name!r}: must be a string")
        return self.kinds.get(name, f"{place.path}: key {key!r}")

    def read(self, table: Mapping[str, Any], place: Place) -> tuple[AnyKind, Table]:
        """The kind that a table names, and its settings. Raises UserError naming the key and what the kind accepts."""
        kind = self.kind(table, place)
        here = replace(place, also=("name",), by=f"{self.kinds.kind} {kind.name!r}")
        return kind, validate_part(model_of(kind), {key: table[key] for key in table if key != "name"}, here)

    def completed(self, table: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """The table with the name and all settings that have a value (TOML has no null). Raises UserError."""
        return {key: value for key, value in self.specified(table, place).items() if value is not None}

    def specified(self, table: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """The table as a specification holds it: the name and every setting, but `Table.later`. Raises UserError."""
        kind, settings = self.read(table, place)
        fields = type(settings).model_fields
        usual = {key for key in settings.later if getattr(settings, key) == fields[key].default}
        return {"name": kind.name, **settings.model_dump(mode="json", exclude=usual)}

    def overlaid(self, base: Mapping[str, Any], given: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """`given` over those settings of `base` that the kind then named has; not checked. Raises UserError."""
        kind = self.kind({**base, **given}, place)
        kept = {key: base[key] for key in base if key in model_of(kind).model_fields}
        return {**kept, **given, "name": kind.name}


OPTIMIZER = KindTable(OPTIMIZERS, "sgd")
SCHEDULE = KindTable(SCHEDULES, "cosine")
