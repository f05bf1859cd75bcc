"""What a bundled suite would run today: beside what a record was made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bench.planning import spec, suite
from common.errors import UserError
from datasets import registry as datasets
from datasets.base import DataError
from datasets.registry import Described
from methods.hyper import MethodError
from reports.commands import CellKey


def planned_now(name: str, seeds: Collection[int]) -> Mapping[CellKey, Mapping[str, Any]] | None:
    """(data set, setting, row, seed) -> the specification that `run NAME` plans on a processor, its data being here or
    not; None where no suite of that name is bundled, or a plug-in that it needs is not here."""
    if name not in suite.names():
        return None
    path = suite.locate(name)
    found: dict[CellKey, Mapping[str, Any]] = {}
    try:
        for part in suite.parts(suite.read(path), str(path)):
            described = Described(datasets.info(part.data.name), None, "")
            cells, _ = spec.cells(part, str(path), "cpu", tuple(seeds), described)
            for cell in cells:
                found[part.data.name, cell.setting, cell.row, cell.seed] = cell.spec.as_json()
    except (UserError, DataError, MethodError):
        return None
    return found
