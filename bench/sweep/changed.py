"""Which runs are done, and which of these another source of a plug-in's method has made than the one that is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from bench.planning.spec import Cell
from methods.registry import METHODS
from methods.source_hash import source_hash
from results.store import Store, StoreError


def is_outdated(store: Store, address: str, method: str) -> bool:
    """Whether a whole record lies at the address that the method's source, a plug-in's, has not made as it is now.

    A record that was made before hashes were kept cannot be told from one of another source.
    """
    current = source_hash(method)
    if current is None or not store.has(address):
        return False
    with contextlib.suppress(StoreError):  # `status` and `report` tell of it
        return store.load(address).get("source") != current
    return False


def outdated(store: Store, cells: Iterable[Cell]) -> list[Cell]:
    """The cells of which that is so."""
    return [cell for cell in cells if is_outdated(store, cell.address, cell.spec.method.name)]


def lines(store: Store, cells: Iterable[Cell], redo: bool) -> list[str]:
    """What is said of the outdated ones: a line for each method. redo: they are executed again."""
    by_method: dict[str, list[Cell]] = {}
    for cell in cells:
        by_method.setdefault(cell.spec.method.name, []).append(cell)
    return [_line(store, name, group, redo) for name, group in by_method.items()]


def _line(store: Store, name: str, cells: list[Cell], redo: bool) -> str:
    unknown = all("source" not in store.load(cell.address) for cell in cells)
    since = "may have changed since" if unknown else "has changed since"
    what = "its run was" if len(cells) == 1 else f"{len(cells)} of its runs were"
    kept = "it is run again" if redo else "the record is kept (--redo runs it again)"
    kept = kept if len(cells) == 1 else ("they are run again" if redo else "they are kept (--redo runs them again)")
    return f"{name}: {METHODS.origin(name)} {since} {what} made; {kept}"
