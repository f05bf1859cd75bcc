"""The command that makes a number again: of the runs behind each cell of a table, and of each run."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.plan import PlanCell
from reports.gather import OTHERS, Section
from reports.model import Table
from reports.render import csv_lines

CellKey = tuple[str, str, str, int]
"""Data set, setting, row and seed of a planned cell."""
PlannedNow = Callable[[str, Collection[int], Collection[str]], "Mapping[CellKey, Mapping[str, Any]] | None"]
"""Suite, seeds and rows, which may be methods that the suite lacks -> the specifications that this installation plans
for it; None for a suite that is not bundled."""
PROGRAM = "python run_benchmark.py"
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)


@dataclass(frozen=True)
class Command:
    """text: for a shell, "" where there is none. differs: keys in which a run of today is another, or why none."""

    text: str
    differs: str = ""


@dataclass
class Commands:
    """Commands of the runs of some sections. planned: says what a suite is now."""

    sections: Sequence[Section]
    planned: PlannedNow | None = None
    _now: dict[str, Mapping[CellKey, Mapping[str, Any]] | None] = field(default_factory=dict)
    _made: dict[tuple[str, tuple[str, ...]], Command] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._cells: dict[str, dict[str, PlanCell]] = {
            str(section.plan["suite"]): {cell["address"]: cell for cell in section.plan["cells"]}
            for section in self.sections
        }

    def of(self, addresses: Collection[str], suite: str = "") -> Command:
        """The command whose runs hold these. suite: in which they are looked for first, as suites may share runs."""
        key = suite, tuple(sorted(addresses))
        if key not in self._made:
            self._made[key] = self._joined(addresses, suite)
        return self._made[key]

    def _joined(self, addresses: Collection[str], suite: str) -> Command:
        suites = sorted(self._cells, key=lambda name: name != suite)
        behind: dict[str, list[PlanCell]] = defaultdict(list)
        for address in addresses:
            name = next((name for name in suites if address in self._cells[name]), "")
            if not name or name == OTHERS:
                return Command("", "no suite has this run")
            behind[name].append(self._cells[name][address])
        return _together([self._one(name, cells) for name, cells in behind.items()])

    def _one(self, suite: str, cells: Sequence[PlanCell]) -> Command:
        """The runs of one suite: a command for each number of seeds that its cells have."""
        now = self._planned(suite)
        if now is None and _FILE.fullmatch(suite) is None:
            return Command("", "the suite's name is no file's")
        differs = _differing(cells, now) if now is not None else []
        if differs is None:
            return Command("", "the suite no longer has this cell")
        by_precision: dict[str, list[PlanCell]] = defaultdict(list)
        for cell in cells:
            by_precision[str(cell["spec"].get("precision"))].append(cell)
        if "precision" in differs and len(by_precision) > 1:  # of several machines: no command makes both
            return _together([self._one(suite, group) for group in by_precision.values()])
        seeds: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        for cell in cells:
            seeds[cell["dataset"], cell["setting"], cell["method"]].add(cell["seed"])
        groups: dict[frozenset[int], list[tuple[str, str, str]]] = defaultdict(list)
        for place, numbers in seeds.items():
            groups[frozenset(numbers)].append(place)
        name = suite if now is not None else f"{suite}.toml"
        texts = [self._text(suite, name, places, sorted(numbers)) for numbers, places in groups.items()]
        epochs = {int(cell["spec"]["epochs"]) for cell in cells}
        if "epochs" in differs and len(epochs) == 1:
            texts = [f"{text} --epochs {min(epochs)}" for text in texts]
            differs = [key for key in differs if key != "epochs"]
        if "precision" in differs and (own := next(iter(by_precision))) in ("fp32", "bf16"):
            texts = [f"{text} --precision {own}" for text in texts]
            differs = [key for key in differs if key != "precision"]
        return Command(" && ".join(texts), "; ".join(differs))

    def _text(self, suite: str, name: str, places: Sequence[tuple[str, str, str]], seeds: Sequence[int]) -> str:
        now = self._planned(suite)
        every = {(cell["dataset"], cell["setting"]) for cell in self._cells[suite].values()} | {
            key[:2] for key in now or ()
        }
        words = [*PROGRAM.split(), "run", name]
        for option, position in (("--dataset", 0), ("--setting", 1)):
            wanted = list(dict.fromkeys(place[position] for place in places))
            alone = now is None and position == 1 and len(wanted) == 1  # a file may hold more than was asked of it
            if alone or set(wanted) != {place[position] for place in every}:
                words += [word for value in wanted for word in (option, value)]
        methods = dict.fromkeys(place[2] for place in places)
        return shlex.join([*words, "--methods", ",".join(methods), "--seeds", seeds_text(seeds)])

    def _planned(self, suite: str) -> Mapping[CellKey, Mapping[str, Any]] | None:
        if suite not in self._now:
            cells = self._cells[suite].values()
            seeds, rows = sorted({cell["seed"] for cell in cells}), sorted({cell["method"] for cell in cells})
            self._now[suite] = None if self.planned is None else self.planned(suite, seeds, rows)
        return self._now[suite]


def _together(commands: Sequence[Command]) -> Command:
    """One after the other; none where one of them is none."""
    if any(not each.text for each in commands):
        return Command("", "; ".join(dict.fromkeys(each.differs for each in commands if not each.text)))
    told = [part for each in commands for part in each.differs.split("; ") if part]
    return Command(" && ".join(each.text for each in commands), "; ".join(dict.fromkeys(told)))


def seeds_text(seeds: Sequence[int]) -> str:
    """Ascending seeds as `run --seeds` reads them: "0-4", "0,2-3"; "7," for one, as "7" is seven seeds."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    text = ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in parts)
    return f"{text}," if len(seeds) == 1 else text


def _differing(cells: Sequence[PlanCell], now: Mapping[CellKey, Mapping[str, Any]]) -> list[str] | None:
    """Keys of the specifications in which today's differ; None where one is no longer planned."""
    keys: dict[str, None] = {}
    for cell in cells:
        today = now.get((cell["dataset"], cell["setting"], cell["method"], cell["seed"]))
        if today is None:
            return None
        before, after = dict(_flat(cell["spec"])), dict(_flat(today))
        keys |= {key: None for key in sorted({*before, *after}) if before.get(key) != after.get(key)}
    return list(keys)


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(part, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, json.dumps(value)


HEADER = ("table", "row", "columns", "command", "differs_now")


def commands_text(tables: Sequence[Table], commands: Commands, suite_of: Mapping[str, str]) -> str:
    """The CSV of all cells behind which there are runs (HEADER). suite_of: table -> the suite that it is of."""
    return csv_lines(HEADER, _rows(tables, commands, suite_of))


def _rows(tables: Sequence[Table], commands: Commands, suite_of: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """A line for each row and command: the columns of one command stand together."""
    for table in tables:
        suite = suite_of.get(table.name, "")
        texts = [place for place, column in enumerate(table.columns) if not column.number]
        first = next((place for place, column in enumerate(table.columns) if column.number), len(table.columns))
        for row in table.rows:
            by_command: dict[Command, list[str]] = defaultdict(list)
            for column, cell in zip(table.columns, row, strict=True):
                if cell.runs:
                    by_command[commands.of(cell.runs, suite)].append(column.label)
            name = "; ".join(row[place].text for place in texts if place < first)
            for command, columns in by_command.items():
                yield table.name, name, "; ".join(columns), command.text, command.differs
