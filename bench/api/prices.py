"""What the numbers of a published table would cost to run here: of every cell that one of our suites has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import networks
from bench.planning import spec, suite
from bench.planning.workload import pass_products, training_passes
from bench.sweep import price
from bench.sweep.precisions import PRECISIONS, in_precision
from common.record import Record
from common.specification import as_json
from datasets import registry as datasets
from datasets.registry import Described
from reports.paper_cells import Prices
from results import published
from results.record import noise_specification
from results.store import Store

MEASURED = ("preact_resnet18", 8300.0)
"""Training images a second of one run on an H200 (bf16, step by step), by which a store without records of an
accelerator is priced; docs/reproduce-a-table.md tells of it, no record of that run is kept."""


def prices_of(paper: str, out: Path) -> Prices:
    """Device-hours of a published row's cell over all its seeds, from the suites that reproduce this table.

    The rate is that of the records at `out` that an accelerator made, else `MEASURED`, scaled by the network's
    multiplications.
    """
    cells = cells_of(paper)
    rates = price.rates(_records(out), "cuda") if cells else {}
    speed = _speed(cells, rates)
    costs: dict[int, float] = {}
    for number, (cell, seeds) in enumerate(cells):
        rate = _known(cell, rates) or speed / pass_products(cell.spec)
        costs[number] = seeds * training_passes(cell.spec) / rate / 3600

    def hours(row: Mapping[Any, Any]) -> float | None:
        fitting = [(cell.row != row["method"], costs[n]) for n, (cell, _) in enumerate(cells) if is_of(row, cell)]
        return min(fitting, default=(True, None))[1]  # the row of that name stands beside it, else one of its method

    if not cells:
        return Prices()
    name, images = MEASURED
    measured = f"from {images:,.0f} images/s of {name} on an H200, scaled by the networks' multiplications"
    return Prices(hours, "from the records of an accelerator" if rates else measured)


def cells_of(paper: str) -> list[tuple[spec.Cell, int]]:
    """The cells of the suites that reproduce a table, at seed 0, each with the number of its seeds."""
    cells = []
    for name in suite.names():
        path = suite.locate(name)
        for part in suite.parts(suite.read(path), str(path)):
            if part.paper == paper:
                described = Described(
                    datasets.info(part.data.name), None, ""
                )  # as published, the data being here or not
                planned, _ = spec.cells(part, str(path), "cpu", 1, described)
                cells += [(cell, part.seeds) for cell in planned]
    return cells


def _records(out: Path) -> list[Record]:
    store = Store(out)
    return [store.load(address) for address in store.addresses()] if out.is_dir() else []


def _known(cell: spec.Cell, rates: Mapping[tuple[Any, ...], float]) -> float | None:
    """Passes a second from records, in whatever precision they were made."""
    each = (price.known_rate(in_precision(cell, kind), rates) for kind in PRECISIONS)
    return next((rate for rate in each if rate is not None), None)


def _speed(cells: Sequence[tuple[spec.Cell, int]], rates: Mapping[tuple[Any, ...], float]) -> float:
    """Millions of multiplications a second that one run gets out of the device."""
    known = [rate * pass_products(cell.spec) for cell, _ in cells if (rate := _known(cell, rates)) is not None]
    name, images = MEASURED
    return median(known) if known else images * float(networks.NETWORKS.get(name).products or math.nan)


def is_of(row: Mapping[Any, Any], cell: spec.Cell) -> bool:
    """Whether a cell is what a published row is of: its row of that name or that method, its data set and noise."""
    noise = cell.column or cell.spec.noise
    run = {
        "dataset": cell.spec.dataset.name,
        "noise_model": noise.model,
        "noise_specification": noise_specification({**cell.spec.as_json(), "noise": as_json(noise)}),
    }
    rate = row["noise_rate"]
    return (
        row["method"] in (cell.row, cell.spec.method.name)
        and row["dataset"] == run["dataset"]
        and row["noise_model"] == published.noise_name(run)
        and (math.isnan(rate) or math.isclose(rate, noise.rate))
    )
