"""What a record is: one JSON object a run, addressed by the hash of its specification.

Two executions of one specification differ only under the key `execution`; everything else is byte-identical.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

Record = dict[str, Any]

FORMAT = 1
"""Version of the record's layout: raised when a reader of today could not read what is written."""

PROTOCOL = 2
"""Version of the harness's protocol, kept by hand: raised when the same specification would give other numbers."""

_NUMBER = (int, float)
_REQUIRED: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "address": (str,),
    "spec": (dict,),
    "spec.protocol": (int,),
    "spec.dataset.name": (str,),
    "spec.noise.model": (str,),
    "spec.noise.rate": _NUMBER,
    "spec.method.name": (str,),
    "spec.network": (str,),
    "spec.epochs": (int,),
    "spec.batch_size": (int,),
    "spec.seed": (int,),
    "titles.method": (str,),
    "titles.noise": (str,),
    "noise.fingerprint": (str,),
    "noise.actual_rate": (*_NUMBER, type(None)),  # null where the true labels are not known
    "curves.epoch": (list,),
    "curves.test_accuracy": (list,),
    "selection.last.test_accuracy": _NUMBER,
    "final": (dict,),
    "detection": (dict,),
    "cost": (dict,),
    "privileges": (list,),
    "execution": (dict,),
}
_NESTED_CURVES = ("memorisation", "observed")
_LARGEST: dict[str, tuple[type, ...]] = {  # null: of no step
    "median": (*_NUMBER, type(None)),
    "largest": (*_NUMBER, type(None)),
    "largest_epoch": (int, type(None)),
}
_HEALTH: dict[str, tuple[type, ...]] = {
    **{f"{name}.{part}": kinds for name in ("loss", "gradient") for part, kinds in _LARGEST.items()},
    "skipped": _NUMBER,
    "saturated": (dict,),
    "epochs": (dict,),
}
_JUDGED: dict[str, tuple[type, ...]] = {  # where they are lacking, the curves tell
    "first_above_chance": (int, type(None)),  # null: in no epoch
    "collapsed": (dict, type(None)),  # null: it did not
}


class StoreError(Exception):
    """Records or their storage are at fault. The text is one line naming file, key and what is accepted."""


def canonical(spec: Mapping[str, Any]) -> str:
    """The specification as canonical JSON: keys sorted, no blanks, ASCII, floats by `repr`.

    `1` and `1.0` stay different, as they were given. Raises StoreError naming the key of a value that is no plain
    JSON value: NaN, infinity, a NumPy scalar, a path, a key that is no string.
    """
    _refuse_unplain(spec, "spec")
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)


def address(spec: Mapping[str, Any]) -> str:
    """SHA-256 (64 hexadecimal digits) of the canonical specification: the name of the run's record."""
    return hashlib.sha256(canonical(spec).encode("ascii")).hexdigest()


def _refuse_unplain(value: Any, key: str) -> None:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if not isinstance(name, str):
                raise StoreError(f"{key}: the key {name!r} is no string")
            _refuse_unplain(part, f"{key}.{name}")
    elif isinstance(value, (list, tuple)):
        for position, part in enumerate(value):
            _refuse_unplain(part, f"{key}[{position}]")
    elif value is None or type(value) in (str, bool, int):
        return
    elif not isinstance(value, float):
        raise StoreError(f"{key}: {type(value).__name__} {value!r} is no plain JSON value")
    elif not math.isfinite(value):
        raise StoreError(f"{key}: {value!r} is not a finite number (write null for a value that does not exist)")


def identity(spec: Mapping[str, Any]) -> str:
    """Hash (16 hexadecimal digits) of the specification without version numbers: equal under another protocol."""
    bare: dict[str, Any] = copy.deepcopy(dict(spec))
    bare.pop("protocol", None)
    for part in ("dataset", "noise", "method"):
        if isinstance(bare.get(part), dict):
            bare[part].pop("version", None)
    return address(bare)[:16]


def configuration(spec: Mapping[str, Any]) -> str:
    """Hash (16 hexadecimal digits) of the specification without its seed: equal for the runs that a mean may join."""
    return address({key: value for key, value in spec.items() if key != "seed"})[:16]


def noise_specification(spec: Mapping[str, Any]) -> str:
    """Canonical JSON of what decides the noisy labels apart from the seed: data set, its subset, and the noise."""
    dataset = spec["dataset"]
    kept = {key: dataset.get(key) for key in ("name", "version", "subset")}
    if "content" in dataset:  # image files: the hash of what their lists say
        kept["content"] = dataset["content"]
    return canonical({"dataset": kept, "noise": spec["noise"]})


def validate(record: Any, where: str = "record") -> None:
    """Check a record lightly: required keys and types, equal curve lengths, and that the address is the spec's.

    Raises StoreError with one line naming `where` (the file) and the key.
    """
    if not isinstance(record, dict):
        raise StoreError(f"{where}: a record is a JSON object, not {type(record).__name__}")
    for key, kinds in _REQUIRED.items():
        _check_type(record, key, kinds, where)
    if record["format"] != FORMAT:
        raise StoreError(f"{where}: key 'format' is {record['format']}, this version reads format {FORMAT}")
    try:
        expected = address(record["spec"])
    except StoreError as fault:
        raise StoreError(f"{where}: {fault}") from None
    if record["address"] != expected:
        raise StoreError(f"{where}: key 'address' is {record['address'][:12]}..., but the spec's is {expected[:12]}...")
    _check_curves(record["curves"], where)
    if "health" in record:  # records made before it was measured lack it
        _check_health(record["health"], len(record["curves"]["epoch"]), where)


def _check_type(record: Record, key: str, kinds: tuple[type, ...], where: str) -> None:
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise StoreError(f"{where}: key {key!r} is missing")
        value = value[part]
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise StoreError(f"{where}: key {key!r} must be {expected}, not {type(value).__name__}")


def _check_curves(curves: Record, where: str) -> None:
    found = {name: values for name, values in curves.items() if name not in _NESTED_CURVES}
    _check_lengths(found, len(curves["epoch"]), "curves", where)
    for name, groups in curves.get("observed", {}).items():
        _check_type(groups, "epoch", (list,), f"{where}: curves.observed.{name}")
        _check_lengths(groups, len(groups["epoch"]), f"curves.observed.{name}", where)
    measured = curves.get("memorisation", {"epoch": []})
    _check_type(measured, "epoch", (list,), f"{where}: curves.memorisation")
    _check_lengths(measured, len(measured["epoch"]), "curves.memorisation", where)


def _check_health(health: Any, length: int, where: str) -> None:
    whole = {"health": health}
    for key, kinds in _HEALTH.items():
        _check_type(whole, f"health.{key}", kinds, where)
    for key in _JUDGED.keys() & health.keys():
        _check_type(whole, f"health.{key}", _JUDGED[key], where)
    _check_share(health["skipped"], "health.skipped", where)
    for name, share in health["saturated"].items():
        _check_share(share, f"health.saturated.{name}", where)
    if health.get("collapsed") is not None:
        for key, kind in (("epoch", int), ("reason", str)):
            _check_type(whole, f"health.collapsed.{key}", (kind,), where)
    _check_lengths(health["epochs"], length, "health.epochs", where)


def _check_share(value: Any, key: str, where: str) -> None:
    if not isinstance(value, _NUMBER) or isinstance(value, bool) or not 0 <= value <= 1:
        raise StoreError(f"{where}: key {key!r} must be a share in [0, 1], not {value!r}")


def _check_lengths(curves: Record, length: int, key: str, where: str) -> None:
    for name, values in curves.items():
        if not isinstance(values, list) or len(values) != length:
            raise StoreError(f"{where}: key '{key}.{name}' must be a list of {length} values, one an epoch")


def result(record: Record) -> Record:
    """The record without `execution`: what two executions of one specification must have in common."""
    return {key: value for key, value in record.items() if key != "execution"}


def dumps(record: Mapping[str, Any], where: str = "record") -> str:
    """A record or plan as byte-stable JSON: sorted keys, one key a line, lists of plain values on one line.

    It ends with a line that holds `}` alone, which is how a file cut short is recognised. Raises StoreError for
    NaN, infinity and anything that is no plain JSON value.
    """
    try:
        _refuse_unplain(record, where)
    except StoreError as fault:
        raise StoreError(f"cannot write a record: {fault}") from None
    return _pretty(record, "") + "\n"


def _pretty(value: Any, indent: str) -> str:
    inner = indent + " "
    if isinstance(value, Mapping) and value:
        items = (f"{inner}{json.dumps(key)}: {_pretty(value[key], inner)}" for key in sorted(value))
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(part, (Mapping, list, tuple)) for part in value):
        return "[\n" + ",\n".join(inner + _pretty(part, inner) for part in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def loads(text: str | bytes, where: str) -> Record:
    """A checked record from its JSON text. Raises StoreError naming `where` when it is cut short or malformed."""
    record = parse(text, where)
    validate(record, where)
    return record


def parse(text: str | bytes, where: str) -> Record:
    """A JSON object from its text. Raises StoreError naming `where` when it is empty, cut short or no object."""
    if not text.strip():
        raise StoreError(f"{where}: the file is empty (cut short while it was written or copied?)")
    try:
        value = json.loads(text)
    except (ValueError, UnicodeDecodeError) as fault:
        raise StoreError(f"{where}: no valid JSON, perhaps cut short: {fault}") from None
    if not isinstance(value, dict):
        raise StoreError(f"{where}: holds a JSON {type(value).__name__}, not an object")
    return value
