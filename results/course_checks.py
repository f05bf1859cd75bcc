"""What a record says of how its run went, health and execution, checked as `results.validation` checks the rest."""

from __future__ import annotations

from typing import Any

from results.plain import shown
from results.record_checks import (
    COUNT,
    MEASURE,
    NUMBER,
    Json,
    check_lengths,
    check_name,
    check_share,
    check_type,
    check_values,
    need,
)

_TEXTS_OF_EXECUTION = ("started", "finished", "host", "device", "device_name", "commit", "job", "run_by")
_NUMBERS_OF_EXECUTION = ("seconds", "start_seconds", "train_seconds", "images_per_second", "scoring_passes",
                         "peak_memory_mib", "resumes")  # fmt: skip

_LARGEST: dict[str, tuple[type, ...]] = {  # null: of no step
    "median": (*NUMBER, type(None)),
    "largest": (*NUMBER, type(None)),
    "largest_epoch": (int, type(None)),
}

_HEALTH: dict[str, tuple[type, ...]] = {
    **{f"{name}.{part}": kinds for name in ("loss", "gradient") for part, kinds in _LARGEST.items()},
    "skipped": NUMBER,
    "saturated": (dict,),
    "epochs": (dict,),
}

_JUDGED: dict[str, tuple[type, ...]] = {  # where they are lacking, the curves tell
    "first_above_chance": (int, type(None)),  # null: in no epoch
    "collapsed": (dict, type(None)),  # null: it did not
}


def check_execution(execution: Json, where: str) -> None:
    """Raises StoreError naming the key; whatever is there has its form."""
    for name in _NUMBERS_OF_EXECUTION:
        need(COUNT[0](execution.get(name)), f"execution.{name}", execution.get(name), COUNT[1], where)
    for name in _TEXTS_OF_EXECUTION:
        value = execution.get(name)
        need(value is None or isinstance(value, str), f"execution.{name}", value, "text", where)
    for name, value in (execution.get("versions") or {}).items():
        need(isinstance(value, str), f"execution.versions.{shown(name)[1:-1]}", value, "text", where)


def check_health(health: Any, length: int, where: str) -> None:
    """Raises StoreError naming the key; `length`: how many epochs the run had."""
    whole = {"health": health}
    for key, kinds in _HEALTH.items():
        check_type(whole, f"health.{key}", kinds, where)
    for key in _JUDGED.keys() & health.keys():
        check_type(whole, f"health.{key}", _JUDGED[key], where)
    check_share(health["skipped"], "health.skipped", where)
    for name, share in health["saturated"].items():
        check_share(share, f"health.saturated.{name}", where)
    if health.get("collapsed") is not None:
        for key, kind in (("epoch", int), ("reason", str)):
            check_type(whole, f"health.collapsed.{key}", (kind,), where)
    check_lengths(health["epochs"], length, "health.epochs", where)
    for name, values in health["epochs"].items():
        check_name(name, "health.epochs", where)
        check_values(values, MEASURE, f"health.epochs.{name}", where)
