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

from common.record import Record
from common.specification import Specification

FORMAT = 1
"""Version of the record's layout: raised when a reader of today could not read what is written."""

PROTOCOL = 2
"""Version of the harness's protocol, kept by hand: raised when the same specification would give other numbers."""


class StoreError(Exception):
    """Records or their storage are at fault. The text is one line naming file, key and what is accepted."""


def canonical(spec: Specification | Mapping[str, Any]) -> str:
    """The specification, or a part of one, as canonical JSON: keys sorted, no blanks, ASCII, floats by `repr`.

    `1` and `1.0` stay different, as they were given. Raises StoreError naming the key of a value that is no plain
    JSON value: NaN, infinity, a NumPy scalar, a path, a key that is no string.
    """
    plain = spec.as_json() if isinstance(spec, Specification) else spec
    _refuse_unplain(plain, "spec")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def left_out_text(record: Record) -> str:
    """How many images `--skip-broken` left out and why, such as "6 images (truncated image: 6)"; empty for none."""
    counts = record["data"].get("skipped", {})
    kinds, number = ", ".join(f"{kind}: {count:,}" for kind, count in counts.items()), sum(counts.values())
    return f"{number:,} image{'s' * (number != 1)} ({kinds})" if number else ""


def address(spec: Specification | Mapping[str, Any]) -> str:
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


def result(record: Record) -> dict[str, Any]:
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
