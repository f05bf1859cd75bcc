"""Which cells of a suite are wanted: its seeds, settings and data sets as a hand types them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from bench.planning.settings import MOST_SEEDS, Suite
from bench.planning.spec import Cell
from common.errors import UserError, as_known, unknown

Seeds: TypeAlias = int | str | Collection[int]
"""How many, counted from 0; or which: a collection, or text such as "0,3,7" or "0-4"."""

_ACCEPTED = f'accepted: how many (1 to {MOST_SEEDS}), or which, such as "0,3,7" or "0-4"'


def seeds_of(wanted: Seeds) -> tuple[int, ...]:
    """The seeds in ascending order, each once. Raises UserError."""
    if isinstance(wanted, str):
        seeds = _listed(wanted)
    elif isinstance(wanted, int):
        seeds = set(range(wanted)) if 1 <= wanted <= MOST_SEEDS else set[int]()
    else:
        seeds = set(wanted)
    if not seeds or not all(type(seed) is int and 0 <= seed < MOST_SEEDS for seed in seeds):
        raise UserError(f"--seeds {wanted}: {_ACCEPTED}, each under {MOST_SEEDS}")
    return tuple(sorted(seeds))


def _listed(text: str) -> set[int]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and re.fullmatch(r"[0-9]{1,9}", parts[0]):
        return set(seeds_of(int(parts[0])))
    seeds = set[int]()
    for part in filter(None, parts):  # "7," is seed 7, where "7" is seven seeds
        ends = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if last < first or last >= MOST_SEEDS:
            raise UserError(f"--seeds {text}: {part!r}: {_ACCEPTED}, each under {MOST_SEEDS}")
        seeds |= set(range(first, last + 1))
    return seeds


def parts_of(parts: Sequence[Suite], datasets: Collection[str]) -> list[Suite]:
    """The parts of the suite for these data sets (empty: all). Raises UserError."""
    known = [part.data.name for part in parts]
    wanted = _known(datasets, known, "data set", "--dataset")
    return [part for part in parts if not wanted or part.data.name in wanted]


def cells_at(cells: Sequence[Cell], settings: Collection[str]) -> list[Cell]:
    """The cells in these settings (titles; empty: all). Raises UserError."""
    known = list(dict.fromkeys(cell.setting for cell in cells))
    wanted = _known(settings, known, "setting", "--setting")
    return [cell for cell in cells if not wanted or cell.setting in wanted]


def _known(names: Iterable[str], known: Sequence[str], kind: str, option: str) -> set[str]:
    resolved = {as_known(name, known) for name in names}
    for name in resolved.difference(known):
        raise unknown(kind, name, known, option)
    return resolved
