"""Runs and their like in another precision: what `auto` stands for on one machine it may not on the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bench.planning.spec import Cell
from common.specification import Precision
from results.store import Store

PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")


def in_precision(cell: Cell, precision: Precision) -> Cell:
    """The same cell in another precision."""
    return replace(cell, spec=replace(cell.spec, precision=precision))


def lines(store: Store, missing: Iterable[Cell]) -> list[str]:
    """What to say where runs that are missing are there in another precision: they would all be done again."""
    cells = list(missing)
    there = {
        precision: sum(
            cell.spec.precision != precision and store.has(in_precision(cell, precision).address) for cell in cells
        )
        for precision in PRECISIONS
    }
    return [
        f"{count} of the missing runs {'is' if count == 1 else 'are'} there in {precision}: "
        f"--precision {precision} goes on with what was done so"
        for precision, count in there.items()
        if count
    ]
