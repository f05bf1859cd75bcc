"""In which order missing runs are started: long ones first, so that no slot is left alone with one at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any

from bench.planning.spec import Cell
from bench.planning.workload import pass_products, training_passes
from bench.sweep import price


def longest_first(
    cells: Sequence[Cell], rates: Mapping[tuple[Any, ...], float], begun: Collection[str] = ()
) -> list[Cell]:
    """The cells by length: seconds where `rates` (of `price.rates`) tell, else passes times the network's products.

    begun: addresses of runs that were interrupted; they go on before others start. Runs of one length stay in the order
    of the plan. Records and tables do not depend on the order.
    """
    speeds = [rate * pass_products(cell.spec) for cell in cells if (rate := price.known_rate(cell, rates)) is not None]
    typical = median(speeds) if speeds else 1.0  # products a second, so that known and unknown runs can be compared

    def length(cell: Cell) -> float:
        rate = price.known_rate(cell, rates)
        return training_passes(cell.spec) / (typical / pass_products(cell.spec) if rate is None else rate)

    return sorted(cells, key=lambda cell: (cell.address not in begun, -length(cell)))
