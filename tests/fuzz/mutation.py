"""Changing what is read: parts of JSON and TOML values, and pieces of text."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 10**9, 10**30, -(10**30), 0.5, 1.5, -0.5, 1e308, float("nan"), float("inf"), "",
    "a", "../x", "/etc/passwd", "\0", "\ud800", "\x1b[2J", "<script>", "a" * 20_000, "1", [], {}, [[]], [1], ["a"],
    [None], {"a": 1}, {"epoch": [1]}, [0.5, 0.5], [[0.5], [0.5, 0.5]],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all parts of a JSON value; of a long list, to its ends."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, (*path, name))
    elif isinstance(value, list) and value:
        for position in {0, len(value) - 1}:
            yield from places(value[position], (*path, position))


def changed(value: Any, chance: random.Random) -> Any:
    """The value with one to three parts replaced, removed, renamed or doubled."""
    found = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        *way, last = chance.choice(list(places(found)))
        here = found
        for part in way:
            here = here[part]
        kind = chance.randrange(5)
        if kind == 0:
            del here[last]
        elif kind == 1 and isinstance(here, dict):
            here[chance.choice([str(part) for part in VALUES])[:300]] = here.pop(last)
        elif kind == 2 and isinstance(here, list):
            here.append(copy.deepcopy(here[last]))
        else:
            here[last] = copy.deepcopy(chance.choice(VALUES))
    return found


def cut_up(content: bytes, chance: random.Random, pieces: Sequence[bytes]) -> bytes:
    """The content with one to five places replaced by pieces, and sometimes without its end."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(found) + 1)
        found[place : place + chance.choice((0, 0, 1, 2, 8))] = chance.choice(pieces)
    if chance.random() < 0.1:
        del found[chance.randrange(len(found) + 1) :]
    return bytes(found)
