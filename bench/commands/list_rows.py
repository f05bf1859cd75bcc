"""`list rows SUITE`: the whole procedure of each row of a suite, with the source of each value. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.planning import procedure, spec, spec_data
from bench.planning import suite as suites
from bench.planning.procedure import Value
from bench.planning.settings import Suite

_OF_THE_COLUMN = ("noise.model", "noise.rate", "data.name", "noise.version")
"""What a column of the table says already, where the row has nothing of its own."""


@dataclass(frozen=True)
class SuiteRow:
    """A row with its cells in all settings of all data sets, at seed 0, each with its part of the suite."""

    name: str
    cells: tuple[tuple[spec.Cell, Suite], ...]

    @property
    def title(self) -> str:
        return self.cells[0][0].title


def rows_of(name: str, root: Path | None = None) -> list[SuiteRow]:
    """The rows of a suite, its data being there or not, but own images. root: the data directory; None: the default.

    Raises UserError and its kin.
    """
    path = suites.locate(name)
    cells: dict[str, list[tuple[spec.Cell, Suite]]] = {}
    for part in suites.parts(suites.read(path), str(path)):
        described = spec_data.describe(part, str(path), root)
        for cell in spec.cells(part, str(path), "cpu", 1, described)[0]:
            cells.setdefault(cell.row, []).append((cell, part))
    return [SuiteRow(row, tuple(row_cells)) for row, row_cells in cells.items()]


def as_json(rows: Iterable[SuiteRow]) -> list[dict[str, Any]]:
    """One object for each row and setting: its values, each with its source, and its deviations."""
    objects = []
    for row in rows:
        for cell, part in row.cells:
            values = procedure.procedure(cell, part)
            declared = part.methods[row.name]
            objects.append(
                {
                    "row": row.name,
                    "title": row.title,
                    "dataset": cell.spec.dataset.name,
                    "setting": cell.setting,
                    "deviations": list(cell.claim.deviations),
                    "values": {
                        key: {"value": value, "source": procedure.source_of(key, cell, declared)}
                        for key, value in values.items()
                    },
                }
            )
    return objects


def show(console: Console, rows: Iterable[SuiteRow]) -> None:
    """Print each row's deviations and its procedure, a line for each value with where it comes from."""

    def say(line: str, style: str | None = None) -> None:
        console.print(line, style=style, highlight=False, soft_wrap=True, markup=False)

    for number, row in enumerate(rows):
        say(("\n" if number else "") + f"{row.title} ({row.name})", "bold")
        for text, where in _deviations(row):
            say(f"  deviates{where}: {text}", "yellow")
        suite = row.cells[0][1]
        for setting in procedure.settings_of([cell for cell, _ in row.cells], suite):
            if setting.key not in _OF_THE_COLUMN or setting.source not in procedure.SHARED:
                value = f"{value_text(setting.value)}{_where(setting.places, row)}"
                shared = f": {suite.source}" if setting.source == procedure.OF_THE_SUITE and suite.source else ""
                say(f"  {setting.key:34} {value:34} {setting.source}{shared}")


def _deviations(row: SuiteRow) -> list[tuple[str, str]]:
    """Each deviation of a row, and where it has it: nothing said where that is everywhere."""
    places_by_deviation: dict[str, list[procedure.Place]] = {}
    for cell, _ in row.cells:
        for text in cell.claim.deviations:
            places_by_deviation.setdefault(text, []).append(procedure.place_of(cell))
    return [(text, _where(places, row)) for text, places in places_by_deviation.items()]


def _where(places: Sequence[procedure.Place], row: SuiteRow) -> str:
    """The places in words, of a data set that is there whole its name alone; empty for all places of the row."""
    whole = [procedure.place_of(cell) for cell, _ in row.cells]
    if not places or len(places) == len(whole):
        return ""
    several = len({dataset for dataset, _ in whole}) > 1
    said = []
    for dataset, group in groupby(places, key=lambda place: place[0]):
        settings = [setting for _, setting in group]
        all_of_it = len(settings) == sum(name == dataset for name, _ in whole)
        name = dataset if several else ""
        said.append(name if all_of_it and several else f"{name} {', '.join(settings)}".strip())
    return f" ({'; '.join(said)})"


def value_text(value: Value) -> str:
    """A value of a procedure as it is read."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(value_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
