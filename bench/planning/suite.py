"""Finding, reading and checking suite files; every fault becomes one line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from bench.planning import yaml_text
from bench.planning.settings import Suite, Training, TrainingOverride
from bench.recipe.kinds import OPTIMIZER, SCHEDULE
from bench.recipe.validation import Place, validate_part
from common.errors import UserError, unknown
from methods import registry as methods

FOLDER = Path(__file__).parents[1] / "suites"
_LAID_OVER = ("optimizer", "augmentation")
"""Tables of `training` of which a row may state single keys."""


def names() -> list[str]:
    """The built-in suites."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def locate(name_or_file: str) -> Path:
    """The file of a built-in suite, or the file that was named. Raises UserError."""
    if name_or_file in names():
        return FOLDER / f"{name_or_file}.toml"
    path = Path(name_or_file)
    # not Path.exists, which raises for names that no file can have
    if os.path.isfile(path):  # noqa: PTH113
        return path
    if path.suffix in (".toml", *yaml_text.SUFFIXES) or os.path.exists(path):  # noqa: PTH110
        raise UserError(f"{path}: no such suite file")
    raise unknown("suite", name_or_file, names())


def read(path: Path) -> dict[str, Any]:
    """The raw tables of a suite file. Raises UserError where it is no TOML (or YAML, by its name), empty or binary."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors write a byte order mark
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a suite file: it is not UTF-8 text") from None
    except OSError as fault:
        raise UserError(f"{path}: cannot be read: {fault.strerror}") from None
    try:
        tables = yaml_text.parsed(text, str(path)) if path.suffix in yaml_text.SUFFIXES else _parsed(text, str(path))
    except tomllib.TOMLDecodeError as fault:
        raise UserError(f"{path}: not valid TOML: {str(fault).splitlines()[0]}") from None
    if not tables:
        raise UserError(f"{path}: the suite file is empty (needed: title, purpose, data, noise, training, methods)")
    return tables


def _parsed(text: str, where: str) -> dict[str, Any]:
    """The tables of TOML text. Raises TOMLDecodeError; UserError for valid TOML that Python cannot hold."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # a limit of Python's int
        raise UserError(f"{where}: a number in it has too many digits") from None
    except RecursionError:
        raise UserError(f"{where}: lists or tables are nested too deeply") from None


BARE_POINT = re.compile(r"[+-]?(\.\d+|\d+\.)([eE][+-]?\d+)?")
"""A number with no digit before its point, or none behind it."""


def parse_value(text: str, where: str) -> Any:
    """A value given as KEY=VALUE: a TOML value, a number as Python writes it, or else the text itself.

    Raises UserError that begins with `where`.
    """
    if BARE_POINT.fullmatch(text):  # .5 and 5., which TOML has not and this suite's own titles write
        return float(text)
    try:
        return _parsed(f"value = {text}", where)["value"]
    except tomllib.TOMLDecodeError:
        return text


Assignments: TypeAlias = Sequence[str] | Mapping[str, Any]
"""Keys of a suite file with other values, as `--set` has them ("KEY=VALUE") or as a script does."""


def assigned_values(assignments: Sequence[str], example: str) -> dict[str, Any]:
    """The values of texts KEY=VALUE by key. Raises UserError, which shows an `example`."""
    values = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key.strip():
            raise UserError(f"--set {assignment!r}: expected KEY=VALUE, such as {example}")
        values[key.strip()] = parse_value(text.strip(), f"--set {key.strip()}")
    return values


def override(tables: dict[str, Any], assignments: Assignments) -> None:
    """Apply assignments (dotted keys; a number selects from a list) to the raw tables, in place. Raises UserError."""
    given = [assignments] if isinstance(assignments, Mapping) else [
        assigned_values([assignment], "training.epochs=10") for assignment in assignments
    ]  # fmt: skip
    for each in given:
        for key, value in each.items():
            _assign(tables, key, value)
    for each in given:
        for key, value in each.items():
            _over_published(tables, key.strip().split("."), value)


def _over_published(tables: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    """Give rows that follow their paper's table a value of `training` that was asked for, unless they state one.

    parts: of the dotted key. A part of a table that a row can only replace whole, as of the schedule, is left out.
    """
    head, *inner = parts
    if head != "training" or not inner or inner[0] not in TrainingOverride.model_fields:
        return
    if len(inner) > 1 and inner[0] not in _LAID_OVER:
        return
    for row in _tables(tables.get("methods")):
        if row.get("published") is True and not _states(row, parts):
            _assign(row, ".".join(parts), value)


def _states(row: Mapping[str, Any], parts: Sequence[str]) -> bool:
    here: Any = row
    for part in parts:
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return True


def _assign(tables: dict[str, Any], key: str, value: Any) -> None:
    parts = key.strip().split(".")
    here: Any = tables
    for number, part in enumerate(parts[:-1]):
        if isinstance(here, list):
            if part not in map(str, range(len(here))):
                raise UserError(_listed(parts, number, len(here), f"{part!r} is no position in a list of {len(here)}"))
            here = here[int(part)]
        elif isinstance(here, dict):
            here = here.setdefault(part, {})
        else:
            raise UserError(f"--set {key}: {part!r} stands inside a value, not a table")
    if isinstance(here, list) and here:
        raise UserError(_listed(parts, len(parts) - 1, len(here), f"there are {len(here)} of these"))
    if not isinstance(here, dict):
        raise UserError(f"--set {key}: {parts[-1]!r} is not a key of a table")
    here[parts[-1]] = value


def _listed(parts: Sequence[str], number: int, count: int, why: str) -> str:
    """What is said of a key whose part `number` goes into a list of `count` and is no position there."""
    if parts[number].isdigit():
        return f"--set {'.'.join(parts)}: {why}"
    named = [".".join([*parts[:number], str(place), *parts[number:]]) for place in (0, count - 1)]
    return f"--set {'.'.join(parts)}: {why}; say which by its position ({' to '.join(dict.fromkeys(named))})"


def _tables(value: Any) -> list[dict[str, Any]]:
    """The tables in a list or among a table's values; validation refuses the others later."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [part for part in values if isinstance(part, dict)]


def impose(tables: dict[str, Any], key: str, value: Any) -> None:
    """Set a key of `training` for every method, also where a row or one of its `when` has a value of its own."""
    shared = tables.setdefault("training", {})
    if isinstance(shared, dict):
        shared[key] = value
    for row in _tables(tables.get("methods")):
        for part in (row, *_tables(row.get("when"))):
            own = part.get("training")
            if isinstance(own, dict) and key in own:
                own[key] = value
    _over_published(tables, ("training", key), value)


def choose(tables: dict[str, Any], names: list[str]) -> None:
    """Keep the rows `names`, in any case and with hyphens; one that the suite lacks is a method at its defaults.

    Trusted samples go where the rows that use them do.
    """
    known = tables.get("methods", {})
    if isinstance(known, dict):
        tables["methods"] = {name: known.get(name, {}) for name in (methods.typed(name, known) for name in names)}
        if _use_trusted(known) and not _use_trusted(tables["methods"]):
            for data in _tables([tables.get("data")] if isinstance(tables.get("data"), dict) else tables.get("data")):
                data.pop("trusted", None)


def _use_trusted(rows: Mapping[str, Any]) -> bool:
    """Whether a row's method, as far as it is known, needs samples with true labels."""
    named = [row.get("method", name) if isinstance(row, dict) else name for name, row in rows.items()]
    return any(name in methods.METHODS and "trusted" in methods.info(name).needs for name in named)


def validate(tables: Mapping[str, Any], path: str) -> Suite:
    """The checked suite, with all settings of its optimiser and schedule. Raises UserError."""
    whole = validate_part(Suite, tables, path)
    return whole.model_copy(update={"training": with_kinds(whole.training, path, "training")})


def with_kinds(training: Training, path: str, key: str) -> Training:
    """`training` with the tables whose keys depend on their `name` checked, and completed by defaults.

    path, key: what messages name, the file and the place of `training` in it. Raises UserError.
    """
    optimizer = OPTIMIZER.completed(training.optimizer, Place(path, f"{key}.optimizer"))
    schedule = SCHEDULE.completed(training.schedule, Place(path, f"{key}.schedule"))
    return training.model_copy(update={"optimizer": optimizer, "schedule": schedule})


def parts(tables: Mapping[str, Any], path: str) -> list[Suite]:
    """The checked suite, one for each data set: `data` may be a list of tables. Raises UserError.

    A noise entry that names `datasets` stands only in the parts of these.
    """
    data = tables.get("data")
    if data == []:
        raise UserError(f"{path}: key 'data' is an empty list; it needs at least one data set")
    each = data if isinstance(data, list) else [data]
    suites = [validate(tables if one is None else {**tables, "data": one}, path) for one in each]
    names = [whole.data.name for whole in suites]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: key 'data': the data set {name!r} stands there twice")
    for name in (name for entry in suites[0].noise for name in entry.datasets or ()):
        if name not in names:
            raise unknown("data set", name, names, f"{path}: key 'noise.datasets'")
    return [_part(whole, path) for whole in suites]


def _part(whole: Suite, path: str) -> Suite:
    """The suite with those noise entries alone that are for its data set."""
    name = whole.data.name
    kept = [entry for entry in whole.noise if entry.datasets is None or name in entry.datasets]
    if not kept:
        raise UserError(f"{path}: no noise entry is for the data set {name!r}")
    return whole.model_copy(update={"noise": kept})
