"""The plan of a started suite: which cells its tables have, whether they have been run or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from results.record import Record, StoreError, canonical, configuration, noise_specification

Plan = dict[str, Any]

PURPOSES = ("compare", "reproduce")
_CELL_KEYS = ("address", "method", "title", "setting", "seed", "dataset", "spec")
_OF_A_ROW = ("method", "noise", "seed", "scored", "noise_rate", "noise_rate_error")


def check_plan(plan: Any, where: str) -> None:
    """Raises StoreError with one line naming `where` and the key when a plan is malformed."""
    if not isinstance(plan, dict):
        raise StoreError(f"{where}: a plan is a JSON object, not {type(plan).__name__}")
    for key, kind in (("suite", str), ("purpose", str), ("cells", list)):
        if not isinstance(plan.get(key), kind):
            raise StoreError(f"{where}: key {key!r} must be {kind.__name__}, not {type(plan.get(key)).__name__}")
    name = plan["suite"]
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        raise StoreError(f"{where}: key 'suite' is {name!r}, which is no file name")
    if plan["purpose"] not in PURPOSES:
        raise StoreError(f"{where}: key 'purpose' is {plan['purpose']!r} (accepted: {', '.join(PURPOSES)})")
    for position, cell in enumerate(plan["cells"]):
        missing = [key for key in _CELL_KEYS if not isinstance(cell, dict) or key not in cell]
        if missing:
            raise StoreError(f"{where}: key 'cells[{position}].{missing[0]}' is missing")
        for part in ("dataset", "noise"):
            if not isinstance(cell["spec"], dict) or not isinstance(cell["spec"].get(part), dict):
                raise StoreError(f"{where}: key 'cells[{position}].spec.{part}' is missing")


def cell_key(cell: dict[str, Any]) -> tuple[str, str, str, int]:
    """Data set, setting, method row and seed: the place of a run in the tables of its suite."""
    return cell["dataset"], cell["setting"], cell["method"], cell["seed"]


def shared_protocol(spec: dict[str, Any]) -> str:
    """Canonical JSON of what all runs of a `compare` suite have in common.

    Left out are what its tables compare over (method, noise, seed), the two settings that a method may tune for itself
    (learning rate and weight decay), and what a row has of its own: the images it trains on, what of several networks
    is scored, and the noise rate it is told (which stands in a specification only where the method needs it).
    """
    bare = {key: value for key, value in spec.items() if key not in _OF_A_ROW}
    for part, own in (("optimizer", ("lr", "weight_decay")), ("dataset", ("training_rows",))):
        if isinstance(bare.get(part), dict):
            bare[part] = {key: value for key, value in bare[part].items() if key not in own}
    return canonical(bare)


def joined(old: Plan, new: Plan) -> Plan:
    """The new plan with those cells of the old one that it leaves out and that may stand beside its own.

    In a `compare` suite an old cell must share the protocol (network, epochs, batch size, ...) of the new plan's
    cells; in a `reproduce` suite each method has its own. In both it must have the noisy labels of the new cells of its
    data set and setting, where there are any: a labels file may hold others by now, and one heading stands for one set.
    Nothing is kept where the purpose has changed.

    Tables have the order in which settings and methods first come up, so the larger part leads: a row run by itself
    comes after those that were there, and a whole suite brings a setting run early back to its place.
    """
    if old["purpose"] != new["purpose"]:
        return new
    taken = {cell_key(cell) for cell in new["cells"]}
    protocols = {shared_protocol(cell["spec"]) for cell in new["cells"]}
    noise = defaultdict(set)
    for cell in new["cells"]:
        noise[cell["dataset"], cell["setting"]].add(noise_specification(cell["spec"]))

    def stays(cell: dict[str, Any]) -> bool:
        labels = noise.get((cell["dataset"], cell["setting"]))
        if cell_key(cell) in taken or (labels is not None and noise_specification(cell["spec"]) not in labels):
            return False
        return bool(new["purpose"] == "reproduce" or shared_protocol(cell["spec"]) in protocols)

    kept = [cell for cell in old["cells"] if stays(cell)]
    cells = [*kept, *new["cells"]] if len(kept) > len(new["cells"]) else [*new["cells"], *kept]
    trials = {**old.get("trials", {}), **new.get("trials", {})}
    return {**new, "trials": trials, "cells": cells}


def plan_of(suite: str, records: Iterable[Record]) -> Plan:
    """A plan made of records that have none: what is there is what was planned.

    It is a `compare` plan only where all records of a data set share their protocol. A method that appears in one
    setting with several configurations gets a row for each, told apart by the start of a hash that is the same in all
    settings; a noise title that stands for several noise specifications gets a setting for each.
    """
    found = sorted(records, key=lambda record: (record["spec"]["method"]["name"], record["spec"]["seed"]))
    titles, rows = defaultdict(set), defaultdict(set)
    for record in found:
        spec = record["spec"]
        titles[spec["dataset"]["name"], record["titles"]["noise"]].add(noise_specification(spec))
        rows[noise_specification(spec), spec["method"]["name"]].add(configuration(spec))
    cells = [_cell_of(record, titles, rows) for record in found]
    protocols = defaultdict(set)
    for cell in cells:
        protocols[cell["dataset"]].add(shared_protocol(cell["spec"]))
    purpose = "compare" if all(len(found) == 1 for found in protocols.values()) else "reproduce"
    return {"format": 1, "suite": suite, "title": suite, "purpose": purpose, "description": "", "cells": cells}


def _cell_of(record: Record, titles: Any, rows: Any) -> dict[str, Any]:
    spec, method, setting = record["spec"], record["spec"]["method"]["name"], record["titles"]["noise"]
    bare = {key: value for key, value in spec.items() if key != "noise"}  # so that a row goes through all settings
    mark = f" [{configuration(bare)[:6]}]" if len(rows[noise_specification(spec), method]) > 1 else ""
    several = len(titles[spec["dataset"]["name"], setting]) > 1
    return {
        "address": record["address"],
        "dataset": spec["dataset"]["name"],
        "noise": spec["noise"],
        "method": method + mark,
        "title": record["titles"]["method"] + mark,
        "setting": f"{setting} {canonical(spec['noise'])}" if several else setting,
        "seed": spec["seed"],
        "network": spec["network"],
        "spec": spec,
    }
