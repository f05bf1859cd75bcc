"""What a bundled suite would run today: beside what a record was made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bench.planning import rows, spec, suite
from common.errors import UserError
from datasets import registry as datasets
from datasets.base import DataError
from datasets.registry import Described
from methods import registry as methods
from methods.hyper import MethodError
from reports.commands import CellKey


def planned_now(
    name: str, seeds: Collection[int], chosen: Collection[str] = ()
) -> Mapping[CellKey, Mapping[str, Any]] | None:
    """(data set, setting, row, seed) -> the specification that `run NAME` plans on a processor, its data being here or
    not; None where no suite of that name is bundled, or a plug-in that it needs is not here. chosen: rows beside the
    suite's own: methods at their defaults, as `run --methods` takes them, where they are here.

    A precision that the suite leaves to the device is "auto", so that this says the same on every machine."""
    if name not in suite.names():
        return None
    path = suite.locate(name)
    specifications: dict[CellKey, Mapping[str, Any]] = {}
    try:
        tables = suite.read(path)
        known = methods.registered()
        tables["methods"] |= {row: {} for row in chosen if row in known and row not in tables["methods"]}
        for part in suite.parts(tables, str(path)):
            described = Described(datasets.info(part.data.name), None, "")
            cells, _ = spec.cells(part, str(path), "cpu", tuple(seeds), described)
            for cell in cells:
                key = part.data.name, cell.setting, cell.row, cell.seed
                row = rows.resolve(part, cell.row, cell.column or cell.spec.noise, described.info, str(path))
                specifications[key] = {**cell.spec.as_json(), "precision": row.training.precision}
    except (UserError, DataError, MethodError):
        return None
    return specifications
