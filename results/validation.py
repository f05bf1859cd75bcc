"""Whether a record is one: what every reader of records relies on is checked here, once, where a record is read.

A record may come from a stranger. Its names become identifiers and names of files, its numbers stand in tables, and its
lists are drawn, so nothing is taken on trust. What is merely unlikely is for `results.doubts`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast

from common.record import Record
from results.plain import check_plain, is_name, parse, shown
from results.record import FORMAT, StoreError, address

Json: TypeAlias = dict[str, Any]

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
    "data.num_train": (int,),
    "data.num_test": (int,),
    "data.num_classes": (int,),
    "data.class_names": (list,),
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
_NAMES = ("spec.dataset.name", "spec.noise.model", "spec.method.name", "spec.network")
_WHOLE = {
    "spec.protocol": (0, 10**6), "spec.epochs": (1, 10**6), "spec.batch_size": (1, 10**9), "spec.seed": (0, 2**63),
    "data.num_train": (0, 10**10), "data.num_test": (0, 10**10), "data.num_classes": (1, 10**6),
}  # fmt: skip
_TABLES = ("spec.optimizer", "spec.schedule", "spec.augmentation", "spec.noise.options", "spec.method.hyper",
           "spec.sampling", "spec.dataset.validation",
           "curves.memorisation", "curves.observed", "final.calibration", "final.further_tests", "final.ensemble",
           "execution.versions", "execution.captured")  # fmt: skip
_RATES = ("actual_rate", "nominal_rate", "expected_rate", "train_rate")
_NESTED_CURVES = ("memorisation", "observed", "member_test_accuracy")
_TEXTS_OF_EXECUTION = ("started", "finished", "host", "device", "device_name", "commit")
_NUMBERS_OF_EXECUTION = ("seconds", "start_seconds", "train_seconds", "images_per_second", "scoring_passes",
                         "peak_memory_mib", "resumes")  # fmt: skip
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_LONGEST_TITLE = 1000

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


def loads(text: str | bytes, where: str) -> Record:
    """A checked record from its JSON text. Raises StoreError naming `where` when it is cut short or malformed."""
    record = parse(text, where)
    _check(record, where)
    return cast(Record, record)


def validate(record: Any, where: str = "record") -> None:
    """Check a record: required keys, types, names, ranges and lengths, and that the address is the specification's.

    Raises StoreError with one line naming `where` (the file) and the key.
    """
    if not isinstance(record, dict):
        raise StoreError(f"{where}: a record is a JSON object, not {type(record).__name__}")
    check_plain(record, where)
    _check(record, where)


def _check(record: Json, where: str) -> None:
    for key, kinds in _REQUIRED.items():
        _check_type(record, key, kinds, where)
    if record["format"] != FORMAT:
        raise StoreError(f"{where}: key 'format' is {record['format']}, this version reads format {FORMAT}")
    for key in _TABLES:
        if _found(record, key) is not None:
            _check_type(record, key, (dict,), where)
    try:
        expected = address(record["spec"])
    except StoreError as fault:
        raise StoreError(f"{where}: {fault}") from None
    if record["address"] != expected:
        raise StoreError(f"{where}: key 'address' is {record['address'][:12]}..., but the spec's is {expected[:12]}...")
    _check_names(record, where)
    for key, (low, high) in _WHOLE.items():
        _need(low <= _found(record, key) <= high, key, _found(record, key), f"a whole number from {low}", where)
    _check_noise(record, where)
    _check_curves(record["curves"], where)
    _check_selection(record, where)
    _check_final(record["final"], record["data"]["num_classes"], where)
    _check_numbers(record, where)
    _check_execution(record["execution"], where)
    if "health" in record:  # records made before it was measured lack it
        _check_health(record["health"], len(record["curves"]["epoch"]), where)


def _found(record: Mapping[str, Any], key: str) -> Any:
    value: Any = record
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _check_type(record: Json, key: str, kinds: tuple[type, ...], where: str) -> None:
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise StoreError(f"{where}: key {key!r} is missing")
        value = value[part]
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise StoreError(f"{where}: key {key!r} must be {expected}, not {type(value).__name__}")


def _need(fits: bool, key: str, value: Any, accepted: str, where: str) -> None:
    if not fits:
        raise StoreError(f"{where}: key '{key}' is {shown(value)} (accepted: {accepted})")


def _is_number(value: Any) -> bool:
    return type(value) in _NUMBER


def _is_share(value: Any) -> bool:
    return type(value) in _NUMBER and 0 <= value <= 1


def _or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_SHARE, _MEASURE = (_or_null(_is_share), "in [0, 1], or null"), (_or_null(_is_number), "a number, or null")
_COUNT = (_or_null(lambda value: _is_number(value) and value >= 0), "a number from 0, or null")


def _check_names(record: Json, where: str) -> None:
    for key in _NAMES:
        _check_name(_found(record, key), key, where)
    for key, title in record["titles"].items():
        fits = isinstance(title, str) and 0 < len(title) <= _LONGEST_TITLE
        _need(fits, f"titles.{shown(key)[1:-1]}", title, f"text of at most {_LONGEST_TITLE} characters", where)
    for key in ("curves.observed", "final.further_tests", "selection", "detection", "curves"):
        for name in _found(record, key) or {}:
            _check_name(name, f"{key}", where)
    for mark in record["privileges"]:
        fits = isinstance(mark, str) and 0 < len(mark) <= 100 and "," not in mark
        _need(fits, "privileges", mark, "short texts without commas", where)
    names, count = record["data"]["class_names"], record["data"]["num_classes"]
    _need(all(isinstance(name, str) for name in names), "data.class_names", names, "texts", where)
    _need(len(names) == count, "data.class_names", names, f"{count} names, as 'data.num_classes' says", where)
    for key in ("skipped", "adjusted"):
        counts = record["data"].get(key, {})
        fits = isinstance(counts, dict) and all(_is_count(kind, number) for kind, number in counts.items())
        _need(fits, f"data.{key}", counts, "short texts with counts of images", where)


def _is_count(kind: str, number: Any) -> bool:
    """Whether so many images can be of a kind, told in a word or two."""
    return 0 < len(kind) <= 100 and type(number) is int and 0 <= number < 2**40


def _check_name(name: Any, key: str, where: str) -> None:
    if not is_name(name):
        raise StoreError(
            f"{where}: key '{key}' holds the name {shown(name)} (accepted: letters, digits, '_', '-' and '.', "
            "at most 100, beginning with a letter, a digit or '_')"
        )


def _check_noise(record: Json, where: str) -> None:
    noise, classes = record["noise"], record["data"]["num_classes"]
    fingerprint = noise["fingerprint"]
    _need(_FINGERPRINT.fullmatch(fingerprint) is not None, "noise.fingerprint", fingerprint, "a SHA-256", where)
    for name in _RATES:
        _need(_SHARE[0](noise.get(name)), f"noise.{name}", noise.get(name), _SHARE[1], where)
    _need(_is_share(record["spec"]["noise"]["rate"]), "spec.noise.rate", record["spec"]["noise"]["rate"], "in [0, 1]",
          where)  # fmt: skip
    if noise.get("matrix") is not None:
        _check_matrix(noise["matrix"], classes, _SHARE, "noise.matrix", where)


def _check_curves(curves: Json, where: str) -> None:
    epochs = curves["epoch"]
    _need(len(epochs) > 0 and epochs == list(range(1, len(epochs) + 1)) and _all_of(epochs, int), "curves.epoch",
          epochs, "1, 2, 3, ...", where)  # fmt: skip
    found = {name: values for name, values in curves.items() if name not in _NESTED_CURVES}
    _check_lengths(found, len(epochs), "curves", where)
    for name, values in found.items():
        shares = name.endswith("accuracy") or name.endswith("_top5")
        _check_values(values, _SHARE if shares else _MEASURE, f"curves.{name}", where)
    _check_values(curves["test_accuracy"], (_is_share, "in [0, 1]"), "curves.test_accuracy", where)
    for name, groups in (curves.get("observed") or {}).items():
        _check_group(groups, _MEASURE, f"curves.observed.{name}", where)
    if curves.get("memorisation") is not None:
        _check_group(curves["memorisation"], _SHARE, "curves.memorisation", where)
    members = curves.get("member_test_accuracy")
    if members is not None:
        _check_lengths({"member_test_accuracy": members}, len(epochs), "curves", where)
        rows = all(isinstance(row, list) and 0 < len(row) == len(members[0]) for row in members)
        _need(rows, "curves.member_test_accuracy", members, "lists of equal length", where)
        for row in members:
            _check_values(row, _SHARE, "curves.member_test_accuracy", where)


def _check_group(groups: Any, values: tuple[Callable[[Any], bool], str], key: str, where: str) -> None:
    _need(isinstance(groups, dict), key, groups, "a table of lists", where)
    _check_type(groups, "epoch", (list,), f"{where}: {key}")
    epochs = groups["epoch"]
    _check_lengths(groups, len(epochs), key, where)
    rising = _all_of(epochs, int) and all(0 < a < b for a, b in itertools.pairwise(epochs))
    _need(rising and all(0 < epoch <= 10**6 for epoch in epochs), f"{key}.epoch", epochs, "rising epochs", where)
    for name, measured in groups.items():
        _check_name(name, key, where)
        if name != "epoch":
            _check_values(measured, values, f"{key}.{name}", where)


def _all_of(values: Iterable[Any], kind: type) -> bool:
    return set(map(type, values)) <= {kind}


def _check_lengths(curves: Json, length: int, key: str, where: str) -> None:
    for name, values in curves.items():
        if not isinstance(values, list) or len(values) != length:
            name = shown(name)[1:-1]
            raise StoreError(f"{where}: key '{key}.{name}' must be a list of {length} values, one an epoch")


def _check_values(values: Any, accepted: tuple[Callable[[Any], bool], str], key: str, where: str) -> None:
    _need(isinstance(values, list), key, values, f"a list of values, each {accepted[1]}", where)
    for position, value in enumerate(values):
        if not accepted[0](value):
            _need(False, f"{key}[{position}]", value, accepted[1], where)


def _check_matrix(
    rows: Any, size: int, values: tuple[Callable[[Any], bool], str], key: str, where: str
) -> None:
    square = isinstance(rows, list) and len(rows) == size and all(isinstance(r, list) and len(r) == size for r in rows)
    _need(square, key, rows, f"{size} lists of {size} numbers", where)
    for position, row in enumerate(rows):
        _check_values(row, values, f"{key}[{position}]", where)


def _check_selection(record: Json, where: str) -> None:
    count = len(record["curves"]["epoch"])
    for name, chosen in record["selection"].items():
        key = f"selection.{name}"
        _need(isinstance(chosen, dict), key, chosen, "a table", where)
        value = chosen.get("test_accuracy")
        _need(_is_share(value), f"{key}.test_accuracy", value, "in [0, 1]", where)
        for part in ("epoch", "epochs"):
            place = chosen.get(part)
            fits = place is None or (type(place) is int and 1 <= place <= count)
            _need(fits, f"{key}.{part}", place, f"1 to {count}", where)


def _check_final(final: Json, classes: int, where: str) -> None:
    """`final`: each part may be missing, but what is there has its form."""
    _check_scores(final, "final", where)
    for name in ("ece", "nll"):
        _need(_COUNT[0](final.get(name)), f"final.{name}", final.get(name), _COUNT[1], where)
    if final.get("per_class_accuracy") is not None:
        _check_values(final["per_class_accuracy"], _SHARE, "final.per_class_accuracy", where)
        fits = len(final["per_class_accuracy"]) == classes
        _need(fits, "final.per_class_accuracy", final["per_class_accuracy"], f"{classes} values", where)
    number = (lambda value: _is_number(value) and value >= 0, "a number from 0")
    for name, values in (("confusion", number), ("predicted_matrix", (_is_share, "in [0, 1]"))):
        if final.get(name) is not None:
            _check_matrix(final[name], classes, values, f"final.{name}", where)
    if final.get("calibration") is not None:
        bins = final["calibration"]
        lengths = {len(bins[name]) if isinstance(bins.get(name), list) else -1
                   for name in ("confidence", "accuracy", "count")}  # fmt: skip
        _need(len(lengths) == 1 and lengths != {-1}, "final.calibration", bins,
              "equally long lists 'confidence', 'accuracy' and 'count'", where)  # fmt: skip
        for name, values in (("confidence", _SHARE), ("accuracy", _SHARE), ("count", number)):
            _check_values(bins[name], values, f"final.calibration.{name}", where)
    members = final.get("members") or []
    _need(isinstance(members, list), "final.members", members, "a list", where)
    for key, scores in [
        *((f"final.members[{number}]", member) for number, member in enumerate(members)),
        *((f"final.further_tests.{name}", found) for name, found in (final.get("further_tests") or {}).items()),
        *([("final.ensemble", final["ensemble"])] if final.get("ensemble") is not None else []),
    ]:
        _need(isinstance(scores, dict), key, scores, "a table", where)
        _check_scores(scores, key, where)


def _check_scores(scores: Mapping[str, Any], key: str, where: str) -> None:
    for name in ("test_accuracy", "test_top5"):
        _need(_SHARE[0](scores.get(name)), f"{key}.{name}", scores.get(name), _SHARE[1], where)


def _check_numbers(record: Json, where: str) -> None:
    for name, scores in record["detection"].items():
        _need(isinstance(scores, dict), f"detection.{name}", scores, "a table", where)
        for part, value in scores.items():
            _need(_SHARE[0](value), f"detection.{name}.{shown(part)[1:-1]}", value, _SHARE[1], where)
    for name, value in record["cost"].items():
        _need(_COUNT[0](value), f"cost.{shown(name)[1:-1]}", value, _COUNT[1], where)


def _check_execution(execution: Json, where: str) -> None:
    for name in _NUMBERS_OF_EXECUTION:
        _need(_COUNT[0](execution.get(name)), f"execution.{name}", execution.get(name), _COUNT[1], where)
    for name in _TEXTS_OF_EXECUTION:
        value = execution.get(name)
        _need(value is None or isinstance(value, str), f"execution.{name}", value, "text", where)
    for name, value in (execution.get("versions") or {}).items():
        _need(isinstance(value, str), f"execution.versions.{shown(name)[1:-1]}", value, "text", where)


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
    for name, values in health["epochs"].items():
        _check_name(name, "health.epochs", where)
        _check_values(values, _MEASURE, f"health.epochs.{name}", where)


def _check_share(value: Any, key: str, where: str) -> None:
    if not isinstance(value, _NUMBER) or isinstance(value, bool) or not 0 <= value <= 1:
        raise StoreError(f"{where}: key {key!r} must be a share in [0, 1], not {value!r}")
