"""Whether a record is one: what every reader of records relies on is checked here, once, where a record is read.

A record may come from a stranger. Its names become identifiers and names of files, its numbers stand in tables, and its
lists are drawn, so nothing is taken on trust. What is merely unlikely is for `results.doubts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from common.record import Record
from results.course_checks import check_execution, check_health
from results.plain import check_plain, lookup, parse, shown
from results.record import FORMAT, StoreError, address
from results.record_checks import (
    COUNT,
    MEASURE,
    NUMBER,
    SHARE,
    Json,
    all_of,
    check_group,
    check_lengths,
    check_matrix,
    check_name,
    check_type,
    check_values,
    is_number,
    is_share,
    need,
)

_REQUIRED: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "address": (str,),
    "spec": (dict,),
    "spec.protocol": (int,),
    "spec.dataset.name": (str,),
    "spec.noise.model": (str,),
    "spec.noise.rate": NUMBER,
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
    "noise.actual_rate": (*NUMBER, type(None)),  # null where the true labels are not known
    "curves.epoch": (list,),
    "curves.test_accuracy": (list,),
    "selection.last.test_accuracy": NUMBER,
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
           "spec.sampling", "spec.dataset.validation", "spec.dataset.trusted",
           "curves.memorisation", "curves.observed", "final.calibration", "final.further_tests", "final.ensemble",
           "execution.versions", "execution.captured")  # fmt: skip
_RATES = ("actual_rate", "nominal_rate", "expected_rate", "train_rate")
_NESTED_CURVES = ("memorisation", "observed", "member_test_accuracy")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_LONGEST_TITLE = 1000


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
        check_type(record, key, kinds, where)
    if record["format"] != FORMAT:
        raise StoreError(f"{where}: key 'format' is {record['format']}, this version reads format {FORMAT}")
    for key in _TABLES:
        if lookup(record, key) is not None:
            check_type(record, key, (dict,), where)
    try:
        expected = address(record["spec"])
    except StoreError as fault:
        raise StoreError(f"{where}: {fault}") from None
    if record["address"] != expected:
        raise StoreError(f"{where}: key 'address' is {record['address'][:12]}..., but the spec's is {expected[:12]}...")
    _check_names(record, where)
    for key, (low, high) in _WHOLE.items():
        need(low <= lookup(record, key) <= high, key, lookup(record, key), f"a whole number from {low}", where)
    _check_noise(record, where)
    _check_curves(record["curves"], where)
    _check_selection(record, where)
    _check_final(record["final"], record["data"]["num_classes"], where)
    _check_numbers(record, where)
    source = record.get("source")  # of plug-ins' methods
    fits = source is None or (isinstance(source, str) and _FINGERPRINT.fullmatch(source) is not None)
    need(fits, "source", source, "a SHA-256", where)
    check_execution(record["execution"], where)
    if "health" in record:  # records made before it was measured lack it
        check_health(record["health"], len(record["curves"]["epoch"]), where)


def _check_names(record: Json, where: str) -> None:
    for key in _NAMES:
        check_name(lookup(record, key), key, where)
    for key, title in record["titles"].items():
        fits = isinstance(title, str) and 0 < len(title) <= _LONGEST_TITLE
        need(fits, f"titles.{shown(key)[1:-1]}", title, f"text of at most {_LONGEST_TITLE} characters", where)
    for key in ("curves.observed", "final.further_tests", "selection", "detection", "curves"):
        for name in lookup(record, key) or {}:
            check_name(name, f"{key}", where)
    for mark in record["privileges"]:
        fits = isinstance(mark, str) and 0 < len(mark) <= 100 and "," not in mark
        need(fits, "privileges", mark, "short texts without commas", where)
    names, count = record["data"]["class_names"], record["data"]["num_classes"]
    need(all(isinstance(name, str) for name in names), "data.class_names", names, "texts", where)
    need(len(names) == count, "data.class_names", names, f"{count} names, as 'data.num_classes' says", where)
    for key in ("skipped", "adjusted"):
        counts = record["data"].get(key, {})
        fits = isinstance(counts, dict) and all(_is_count(kind, number) for kind, number in counts.items())
        need(fits, f"data.{key}", counts, "short texts with counts of images", where)


def _is_count(kind: str, number: Any) -> bool:
    """Whether so many images can be of a kind, told in a word or two."""
    return 0 < len(kind) <= 100 and type(number) is int and 0 <= number < 2**40


def _check_noise(record: Json, where: str) -> None:
    noise, classes = record["noise"], record["data"]["num_classes"]
    fingerprint = noise["fingerprint"]
    need(_FINGERPRINT.fullmatch(fingerprint) is not None, "noise.fingerprint", fingerprint, "a SHA-256", where)
    for name in _RATES:
        need(SHARE[0](noise.get(name)), f"noise.{name}", noise.get(name), SHARE[1], where)
    need(is_share(record["spec"]["noise"]["rate"]), "spec.noise.rate", record["spec"]["noise"]["rate"], "in [0, 1]",
          where)  # fmt: skip
    if noise.get("matrix") is not None:
        check_matrix(noise["matrix"], classes, SHARE, "noise.matrix", where)


def _check_curves(curves: Json, where: str) -> None:
    epochs = curves["epoch"]
    need(len(epochs) > 0 and epochs == list(range(1, len(epochs) + 1)) and all_of(epochs, int), "curves.epoch",
          epochs, "1, 2, 3, ...", where)  # fmt: skip
    plain = {name: values for name, values in curves.items() if name not in _NESTED_CURVES}
    check_lengths(plain, len(epochs), "curves", where)
    for name, values in plain.items():
        shares = name.endswith("accuracy") or name.endswith("_top5")
        check_values(values, SHARE if shares else MEASURE, f"curves.{name}", where)
    check_values(curves["test_accuracy"], (is_share, "in [0, 1]"), "curves.test_accuracy", where)
    for name, groups in (curves.get("observed") or {}).items():
        check_group(groups, MEASURE, f"curves.observed.{name}", where)
    if curves.get("memorisation") is not None:
        check_group(curves["memorisation"], SHARE, "curves.memorisation", where)
    members = curves.get("member_test_accuracy")
    if members is not None:
        check_lengths({"member_test_accuracy": members}, len(epochs), "curves", where)
        rows = all(isinstance(row, list) and 0 < len(row) == len(members[0]) for row in members)
        need(rows, "curves.member_test_accuracy", members, "lists of equal length", where)
        for row in members:
            check_values(row, SHARE, "curves.member_test_accuracy", where)


def _check_selection(record: Json, where: str) -> None:
    count = len(record["curves"]["epoch"])
    for name, chosen in record["selection"].items():
        key = f"selection.{name}"
        need(isinstance(chosen, dict), key, chosen, "a table", where)
        value = chosen.get("test_accuracy")
        need(is_share(value), f"{key}.test_accuracy", value, "in [0, 1]", where)
        for part in ("epoch", "epochs"):
            place = chosen.get(part)
            fits = place is None or (type(place) is int and 1 <= place <= count)
            need(fits, f"{key}.{part}", place, f"1 to {count}", where)
        places = chosen.get("member_epochs", [])
        fits = isinstance(places, list) and all(type(place) is int and 1 <= place <= count for place in places)
        need(fits, f"{key}.member_epochs", places, f"a list of 1 to {count}", where)


def _check_final(final: Json, classes: int, where: str) -> None:
    """`final`: each part may be missing, but what is there has its form."""
    _check_scores(final, "final", where)
    for name in ("ece", "nll"):
        need(COUNT[0](final.get(name)), f"final.{name}", final.get(name), COUNT[1], where)
    if final.get("per_class_accuracy") is not None:
        check_values(final["per_class_accuracy"], SHARE, "final.per_class_accuracy", where)
        fits = len(final["per_class_accuracy"]) == classes
        need(fits, "final.per_class_accuracy", final["per_class_accuracy"], f"{classes} values", where)
    number = (lambda value: is_number(value) and value >= 0, "a number from 0")
    for name, values in (("confusion", number), ("predicted_matrix", (is_share, "in [0, 1]"))):
        if final.get(name) is not None:
            check_matrix(final[name], classes, values, f"final.{name}", where)
    if final.get("calibration") is not None:
        bins = final["calibration"]
        lengths = {len(bins[name]) if isinstance(bins.get(name), list) else -1
                   for name in ("confidence", "accuracy", "count")}  # fmt: skip
        need(len(lengths) == 1 and lengths != {-1}, "final.calibration", bins,
              "equally long lists 'confidence', 'accuracy' and 'count'", where)  # fmt: skip
        for name, values in (("confidence", SHARE), ("accuracy", SHARE), ("count", number)):
            check_values(bins[name], values, f"final.calibration.{name}", where)
    members = final.get("members") or []
    need(isinstance(members, list), "final.members", members, "a list", where)
    for key, scores in [
        *((f"final.members[{number}]", member) for number, member in enumerate(members)),
        *((f"final.further_tests.{name}", measured) for name, measured in (final.get("further_tests") or {}).items()),
        *([("final.ensemble", final["ensemble"])] if final.get("ensemble") is not None else []),
    ]:
        need(isinstance(scores, dict), key, scores, "a table", where)
        _check_scores(scores, key, where)


def _check_scores(scores: Mapping[str, Any], key: str, where: str) -> None:
    for name in ("test_accuracy", "test_top5"):
        need(SHARE[0](scores.get(name)), f"{key}.{name}", scores.get(name), SHARE[1], where)


def _check_numbers(record: Json, where: str) -> None:
    for name, scores in record["detection"].items():
        need(isinstance(scores, dict), f"detection.{name}", scores, "a table", where)
        for part, value in scores.items():
            need(SHARE[0](value), f"detection.{name}.{shown(part)[1:-1]}", value, SHARE[1], where)
    for name, value in record["cost"].items():
        need(COUNT[0](value), f"cost.{shown(name)[1:-1]}", value, COUNT[1], where)
