"""The plan of a started suite: which cells its tables have, whether they have been run or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from common.plan import Plan, PlanCell
from common.record import Record
from common.specification import Specification, read
from results.plain import is_name, shown
from results.record import StoreError, address, canonical, configuration, noise_specification
from results.record_checks import is_share

PURPOSES = ("compare", "reproduce")
_TEXTS = ("title", "description", "remark", "paper", "selection")
_CELL_TEXTS = ("method", "title", "setting", "dataset")
_CELL_KEYS = ("address", *_CELL_TEXTS, "seed", "spec")
_LONGEST_SUITE = 100
_OF_A_ROW = ("method", "noise", "seed", "scored", "noise_rate", "noise_rate_error")


def check_plan(plan: Any, where: str) -> None:
    """Raises StoreError with one line naming `where` and the key when a plan is malformed."""
    if not isinstance(plan, dict):
        raise StoreError(f"{where}: a plan is a JSON object, not {type(plan).__name__}")
    for key, kind in (("suite", str), ("purpose", str), ("cells", list)):
        if not isinstance(plan.get(key), kind):
            raise StoreError(f"{where}: key {key!r} must be {kind.__name__}, not {type(plan.get(key)).__name__}")
    if not is_suite_name(plan["suite"]):
        raise StoreError(f"{where}: key 'suite' is {shown(plan['suite'])}, which is no file name")
    if plan["purpose"] not in PURPOSES:
        raise StoreError(f"{where}: key 'purpose' is {shown(plan['purpose'])} (accepted: {', '.join(PURPOSES)})")
    for key in _TEXTS:
        if not isinstance(plan.get(key), (str, type(None))):
            raise StoreError(f"{where}: key {key!r} must be text, not {type(plan[key]).__name__}")
    trials = plan.get("trials", {})
    if not isinstance(trials, dict) or not all(type(count) is int and count >= 0 for count in trials.values()):
        raise StoreError(f"{where}: key 'trials' is {shown(trials)} (accepted: whole numbers by row)")
    for position, cell in enumerate(plan["cells"]):
        _check_cell(cell, f"{where}: key 'cells[{position}]", where)


def is_suite_name(name: str) -> bool:
    """Whether a suite's name may name its file: no path, nothing hidden, nothing that a terminal would act on."""
    return (
        bool(name)
        and len(name.encode("utf-8", "replace")) <= _LONGEST_SUITE
        and not name.startswith(".")
        and not (any(letter in "/\\" or not letter.isprintable() for letter in name))
    )


def _check_cell(cell: Any, where: str, file: str) -> None:
    """`where`: the file and the start of the cell's key. Its text must be its own specification's."""
    missing = [key for key in _CELL_KEYS if not isinstance(cell, dict) or key not in cell]
    if missing:
        raise StoreError(f"{where}.{missing[0]}' is missing")
    spec = cell["spec"]
    for part in ("dataset", "noise", "method"):
        if not isinstance(spec, dict) or not isinstance(spec.get(part), dict):
            raise StoreError(f"{where}.spec.{part}' is missing")
    for key in _CELL_TEXTS:
        if not isinstance(cell[key], str) or not cell[key]:
            raise StoreError(f"{where}.{key}' is {shown(cell[key])}, not text")
    if type(cell["seed"]) is not int or cell["seed"] != spec.get("seed"):
        raise StoreError(f"{where}.seed' is {shown(cell['seed'])}, not the specification's")
    for name, known in (("dataset", cell["dataset"]), ("method", spec["method"].get("name"))):
        if not is_name(spec[name].get("name")) or spec[name]["name"] != known:
            raise StoreError(f"{where}.spec.{name}.name' is {shown(spec[name].get('name'))}, not a name, or another")
    try:
        expected = address(spec)
    except StoreError as fault:
        raise StoreError(f"{file}: {fault}") from None
    if cell["address"] != expected:
        raise StoreError(f"{where}.address' is {shown(cell['address'])}, not its specification's")
    try:
        read(spec)
    except KeyError as lacking:
        raise StoreError(f"{where}.spec' lacks {shown(lacking.args[0])}") from None
    _check_noise(spec["noise"], f"{where}.spec.noise")
    if "noise" in cell:
        _check_noise(cell["noise"], f"{where}.noise")
    if not isinstance(cell.get("selection", ""), str):
        raise StoreError(f"{where}.selection' is {shown(cell['selection'])}, not text")
    told = cell.get("deviations", [])
    if not isinstance(told, list) or not all(isinstance(text, str) for text in told):
        raise StoreError(f"{where}.deviations' is {shown(told)}, not a list of texts")


def _check_noise(noise: Any, where: str) -> None:
    if not isinstance(noise, dict) or not is_name(noise.get("model")):
        raise StoreError(f"{where}' is {shown(noise)}, not a noise model with its rate")
    if not is_share(noise.get("rate")):
        raise StoreError(f"{where}.rate' is {shown(noise.get('rate'))} (accepted: in [0, 1])")
    if not isinstance(noise.get("options", {}), (dict, type(None))):
        raise StoreError(f"{where}.options' is {shown(noise['options'])}, not a table")


def cell_key(cell: PlanCell) -> tuple[str, str, str, int]:
    """Data set, setting, method row and seed: the place of a run in the tables of its suite."""
    return cell["dataset"], cell["setting"], cell["method"], cell["seed"]


def shared_protocol(spec: Mapping[str, Any]) -> str:
    """Canonical JSON of what all runs of a `compare` suite have in common.

    Left out are what its tables compare over (method, noise, seed), the two settings that a method may tune for itself
    (learning rate and weight decay), and what a row has of its own: sharpness-aware steps, the images it trains on,
    what of several networks is scored, and, in specifications of methods that need it alone, the noise rate and the
    true labels it is told.
    """
    bare = {key: value for key, value in spec.items() if key not in _OF_A_ROW}
    for part, own in (("optimizer", ("lr", "weight_decay", "sam")), ("dataset", ("training_rows", "trusted"))):
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

    def stays(cell: PlanCell) -> bool:
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
    ordered = sorted(records, key=lambda record: _method_and_seed(read(record["spec"])))
    titles, rows = defaultdict(set), defaultdict(set)
    for record in ordered:
        spec, noise = read(record["spec"]), noise_specification(record["spec"])
        titles[spec.dataset.name, record["titles"]["noise"]].add(noise)
        rows[noise, spec.method.name].add(configuration(record["spec"]))
    cells = [_cell_of(record, titles, rows) for record in ordered]
    protocols = defaultdict(set)
    for cell in cells:
        protocols[cell["dataset"]].add(shared_protocol(cell["spec"]))
    purpose = "compare" if all(len(each) == 1 for each in protocols.values()) else "reproduce"
    return {"format": 1, "suite": suite, "title": suite, "purpose": purpose, "description": "", "cells": cells}


def _method_and_seed(spec: Specification) -> tuple[str, int]:
    return spec.method.name, spec.seed


def _cell_of(record: Record, titles: Any, rows: Any) -> PlanCell:
    plain, spec, setting = record["spec"], read(record["spec"]), record["titles"]["noise"]
    bare = {key: value for key, value in plain.items() if key != "noise"}  # so that a row goes through all settings
    several_rows = len(rows[noise_specification(plain), spec.method.name]) > 1
    mark = f" [{configuration(bare)[:6]}]" if several_rows else ""
    several = len(titles[spec.dataset.name, setting]) > 1
    return {
        "address": record["address"],
        "dataset": spec.dataset.name,
        "noise": plain["noise"],
        "method": spec.method.name + mark,
        "title": record["titles"]["method"] + mark,
        "setting": f"{setting} {canonical(plain['noise'])}" if several else setting,
        "seed": spec.seed,
        "network": spec.network,
        "spec": plain,
    }
