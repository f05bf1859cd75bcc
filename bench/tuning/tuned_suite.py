"""The suite file that comes of tuning: the suite written out, with the rows that were tuned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from bench.planning import suite
from bench.planning.settings import Suite
from bench.tuning.search import OPTIMIZER, applied
from bench.tuning.tune import Trial
from common.errors import UserError
from methods import registry as methods

_TUNED = "Some rows are tuned, as their sources say; of the suite before:"


def tuned_row(part: Suite, row: str, chosen: Trial, count: int, source: str) -> dict[str, Any]:
    """The raw table of the row with the chosen settings and all others that count, written out."""
    table = applied(part.methods[row].model_dump(exclude_unset=True, exclude_none=True, mode="json"), chosen.values)
    name = table.get("method") or row
    hyper = {key: value for key, value in methods.resolve(name, table.get("hyper", {})).items() if value is not None}
    training = table.get("training", {})
    shared = {key: part.training.optimizer[key] for key in OPTIMIZER}
    training = {**training, "optimizer": {**shared, **training.get("optimizer", {})}}
    return {**table, "method": name, "hyper": hyper, "training": training, "trials": count, "source": source}


def written_out(tables: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A suite's tables with all keys that have a value; of rows, those that were given. Raises UserError."""
    parts = suite.parts(tables, where)
    data = [part.data.model_dump(mode="json", exclude_none=True) for part in parts]
    whole = suite.validate({**tables, "data": data[0]}, where)
    written = whole.model_dump(mode="json", exclude_none=True, exclude={"methods"})
    rows = {
        name: row.model_dump(mode="json", exclude_unset=True, exclude_none=True) for name, row in whole.methods.items()
    }
    title = whole.title if whole.title.endswith("(tuned)") else f"{whole.title} (tuned)"
    if whole.remark and not whole.remark.startswith(_TUNED):  # which may say that nothing was tuned
        written["remark"] = f"{_TUNED} {whole.remark}"
    return {**written, "title": title, "data": data if len(data) > 1 else data[0], "methods": rows}


def merged(tables: Mapping[str, Any], where: str, path: Path) -> dict[str, Any]:
    """The suite written out, with the rows that have been tuned before in the file at `path`, if there is one.

    Raises UserError where that file was tuned under another protocol.
    """
    new = written_out(tables, where)
    if not path.exists():
        return new
    old = written_out(suite.read(path), str(path))
    differing = [key for key in {**new, **old} if key not in ("methods", "remark") and new.get(key) != old.get(key)]
    if differing:
        raise UserError(
            f"{path}: was tuned under another protocol (key {differing[0]!r} differs from {where}): move it away first"
        )
    tuned = {name: row for name, row in old["methods"].items() if row.get("trials")}
    return {**new, "methods": {**new["methods"], **tuned}}


def toml_text(tables: Mapping[str, Any], name: str) -> str:
    """A suite file."""
    return f"# Written by `tune`. Run it: python run_benchmark.py run {name}\n\n{tomli_w.dumps(tables)}"
