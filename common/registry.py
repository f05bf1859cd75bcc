"""What is chosen by name: the built-in entries of one kind, and those that plug-ins add."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from common.errors import UserError, unknown


class Named(Protocol):
    """What a registry holds: anything with a name."""

    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class Registry(Generic[Entry]):
    """Entries of one kind by name, in the order in which they were declared. Iterating gives the entries.

    kind: what messages call an entry ("network"). entries: the built-in ones, or a function that gives them and is
    called when they are asked for. error: the type of what is raised for unknown and for taken names.
    single: gives one built-in entry by its name, None where there is none, and is asked as long as nobody has wanted
    the others: where all take long to make.
    """

    def __init__(
        self,
        kind: str,
        entries: Iterable[Entry] | Callable[[], Iterable[Entry]],
        error: type[Exception] = UserError,
        single: Callable[[str], Entry | None] | None = None,
    ) -> None:
        self.kind = kind
        self._error = error
        self._built_in = entries
        self._single = single
        self._origins: dict[str, Path] = {}

    @functools.cached_property
    def _entries(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for entry in self._built_in() if callable(self._built_in) else self._built_in:
            if entry.name in entries:
                raise self._error(f"{self.kind} name {entry.name!r} is declared twice")
            entries[entry.name] = entry
        return entries

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    @property
    def built_in(self) -> tuple[Entry, ...]:
        """The entries that no plug-in has added."""
        return tuple(entry for entry in self if entry.name not in self._origins)

    def _find(self, name: str) -> Entry | None:
        alone = self._single(name) if self._single is not None and "_entries" not in self.__dict__ else None
        return alone or self._entries.get(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> Entry:
        return self.get(name)

    def get(self, name: str, where: str = "") -> Entry:
        """The entry of that name. Raises the registry's error, which begins with `where` and suggests a near name."""
        entry = self._find(name)
        if entry is None:
            raise unknown(self.kind, name, sorted(self._entries), where, error=self._error)
        return entry

    def origin(self, name: str) -> Path | None:
        """The plug-in file that added the entry; None: it is built in."""
        return self._origins.get(name)

    def add(self, entry: Entry, origin: Path) -> None:
        """Add what the plug-in file `origin` declares, or replace what it declared before.

        Raises the registry's error where somebody else has the name.
        """
        name = entry.name
        if name in self._entries and self._origins.get(name) != origin:
            owner = self._origins.get(name, f"a built-in {self.kind}")
            raise self._error(f"{origin}: {self.kind} name {name!r} is taken by {owner}")
        self._entries[name], self._origins[name] = entry, origin

    def forget(self, origin: Path) -> None:
        """Leave out again what the plug-in file `origin` has added."""
        for name in [name for name, path in self._origins.items() if path == origin]:
            del self._entries[name], self._origins[name]


def resolve(reference: Any) -> Any:
    """What a declaration names: "module:name" is imported when it is needed, anything else stands for itself."""
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
