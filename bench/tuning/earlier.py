"""Trials taken from another search: what was best on a cheap suite, tried again on a costly one."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from bench.tuning.search import Axis, Space, typed
from bench.tuning.tune import ACCURACY, STATE, TRIAL, Trial
from common.errors import UserError
from methods.hyper import HyperParameter, Value
from results.plain import read_regular

BESIDE = (TRIAL, ACCURACY, "runs", STATE)  # the columns that are no settings
_MOST_BYTES = 10_000_000


def best_trials(path: Path, hyper: Mapping[str, HyperParameter], count: int) -> list[Trial]:
    """`count` trials: the suite's own settings, then the best sound ones that the search of that file has drawn.

    path: the CSV of trials that `tune` writes. Its trial 0, another suite's own settings, is left out. hyper: what the
    method declares. Raises UserError with one line: file, line and column at fault.
    """
    where = f"--best-of {str(path)!r}"
    drawn = []
    for place, row in _lines(path, where):
        if row[TRIAL] != "0" and not row[STATE]:
            settings = {name: text for name, text in row.items() if name not in BESIDE and text}
            values = {name: typed(name, text, hyper, f"{place}, column {name!r}") for name, text in settings.items()}
            drawn.append((_accuracy(row[ACCURACY], place), values))
    if len(drawn) < count - 1:
        raise UserError(f"{where}: has {len(drawn)} sound trials beside trial 0; --trials {count} needs {count - 1}")
    drawn.sort(key=lambda one: -one[0])  # of equals the earliest stays first
    return [Trial(0, {}), *(Trial(number, values) for number, (_, values) in enumerate(drawn[: count - 1], 1))]


def space_of(tried: Sequence[Trial]) -> Space:
    """The settings of such trials as the space that they span: the values of each that are tried."""
    names = dict.fromkeys(name for trial in tried for name in trial.values)
    listed: dict[str, tuple[Value, ...]] = {
        name: tuple(dict.fromkeys(trial.values[name] for trial in tried if name in trial.values)) for name in names
    }
    return {name: Axis(values=values) for name, values in listed.items()}


def _lines(path: Path, where: str) -> list[tuple[str, dict[str, str]]]:
    """Each row of the file under its place."""
    try:
        stream = io.StringIO(read_regular(path, _MOST_BYTES).decode("utf-8-sig"), newline="")
        reader = csv.DictReader(stream, strict=True)
        for name in (TRIAL, ACCURACY, STATE):
            if name not in (reader.fieldnames or ()):
                raise UserError(f"{where}: column {name!r} is missing: it is no list of trials, which `tune` writes")
        rows = [(f"{where}, line {reader.line_num}", row) for row in reader]
    except OSError as fault:
        raise UserError(f"{where}: cannot read it: {fault.strerror or fault}") from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise UserError(f"{where}: no CSV file in UTF-8: {fault}") from None
    for place, row in rows:
        if None in row or None in row.values():
            raise UserError(f"{place}: the number of cells is not that of the header")
    return rows


def _accuracy(text: str, place: str) -> float:
    try:
        accuracy = float(text)
    except ValueError:
        accuracy = float("nan")
    if not isfinite(accuracy) or not 0 <= accuracy <= 1:
        raise UserError(f"{place}, column {ACCURACY!r}: expected a share from 0 to 1, got {text!r}")
    return accuracy
