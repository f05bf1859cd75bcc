"""`list`: what is registered, as a table or as JSON. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from bench import networks, plugins
from bench.commands import completion
from bench.commands.options import Data, Plugin
from bench.recipe.optimizers import OPTIMIZERS, OptimizerKind
from bench.recipe.schedules import SCHEDULES, ScheduleKind
from bench.sweep import terminal
from common.errors import UserError
from datasets import noise_models
from datasets import registry as datasets
from datasets.views import VIEW_POLICIES
from methods import registry as methods
from results.selection_rules import RULES

Rows = list[dict[str, Any]]


class Kind(StrEnum):
    """What can be listed."""

    methods = "methods"
    datasets = "datasets"
    noise = "noise"
    views = "views"
    optimizers = "optimizers"
    schedules = "schedules"
    networks = "networks"
    rules = "rules"
    suites = "suites"
    rows = "rows"


def _methods() -> Rows:
    return [
        {
            "name": info.name,
            "title": info.title,
            "year": info.year,
            "family": info.family,
            "reference": info.reference,
            "networks": info.networks,
            "passes_per_step": info.passes_per_step,
            "needs": sorted(info.needs),
            "marks": sorted(info.marks),
            "hyper": {key: dict(value) for key, value in info.hyper.items()},
            "file": str(info.path),
        }
        for info in methods.registered().values()
    ]


def _facts(entries: Iterable[Any], *keys: str) -> Rows:
    """What is declared of each entry under these keys."""
    return [{key: getattr(entry, key) for key in keys} for entry in entries]


def _datasets() -> Rows:
    infos = (entry.info for entry in datasets.DATASETS)
    return _facts(infos, "name", "title", "num_classes", "num_train", "num_test", "description")


def _noise() -> Rows:
    return [
        {"name": info.name, "title": info.title, "convention": info.convention, "options": info.defaults}
        for info in (model.info for model in noise_models.NOISE_MODELS)
    ]


def _kinds(kinds: Iterable[OptimizerKind | ScheduleKind]) -> Rows:
    from bench.recipe.kinds import model_of

    rows: Rows = []
    for kind in kinds:
        model = model_of(kind)
        schema = model.model_json_schema()["properties"]
        settings = {key: schema[key].get("default") for key in model.model_fields}
        about = " ".join(str(model.__doc__ or "").split())
        rows.append({"name": kind.name, "title": kind.title, "settings": settings, "description": about})
    return rows


def _suites() -> Rows:
    from bench.planning import suite  # here and below: what only one kind of list needs

    rows = []
    for name in suite.names():
        path = suite.locate(name)
        parts = suite.parts(suite.read(path), str(path))
        first = parts[0]
        rows.append(
            {
                "name": name,
                "title": first.title,
                "purpose": first.purpose,
                "datasets": [part.data.name for part in parts],
                "methods": list(first.methods),
                "description": first.description,
            }
        )
    return rows


_ROWS: dict[Kind, Callable[[], Rows]] = {
    Kind.methods: _methods,
    Kind.datasets: _datasets,
    Kind.noise: _noise,
    Kind.views: lambda: _facts(VIEW_POLICIES, "name", "description"),
    Kind.optimizers: lambda: _kinds(OPTIMIZERS),
    Kind.schedules: lambda: _kinds(SCHEDULES),
    Kind.networks: lambda: _facts(networks.NETWORKS, "name", "title", "description"),
    Kind.rules: lambda: _facts(RULES, "name", "title", "needs", "source"),
    Kind.suites: _suites,
}
_SAID = ("title", "year", "purpose", "convention", "needs", "marks", "description")
"""What the line of an entry says after its name, of what it has."""
_HIDDEN = (
    "hyper",
    "family",
    "file",
    "options",
    "reference",
    "passes_per_step",
)  # too wide for a table; the JSON has them


def _cell(value: Any) -> str:
    """A value as a table shows it; of settings the names alone."""
    return ", ".join(map(str, value)) if isinstance(value, list | dict) else str(value)


def _line(row: dict[str, Any], name_width: int, width: int) -> str:
    """A row in one line of at most so many bytes, as a terminal and `awk` count them."""
    said = [_cell(row[key]) for key in _SAID if row.get(key)]
    line = f"{row['name']:{name_width}}  {'; '.join(said)}"
    return line if len(line.encode()) <= width else line.encode()[: width - 3].decode(errors="ignore").rstrip() + "..."


def list_registered(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects instead of lines.")] = False,
    long: Annotated[bool, typer.Option("--long", "-l", help="All there is to an entry, as a table.")] = False,
    plugin: Plugin = None,
    of: Annotated[
        str | None,
        typer.Argument(
            metavar="SUITE|FILE",
            help="Of `rows` alone: the suite whose rows are listed.",
            autocompletion=completion.suites,
        ),
    ] = None,
    data: Data = None,
) -> None:
    """List methods, data sets, noise models, view policies, optimisers, schedules, networks,
    selection rules or suites.

    `list rows SUITE` prints the whole procedure of each row of a suite, with the source of each value.

    Examples:

    - `list methods`
    - `list suites --json`
    - `list rows cifar10n`
    - `list rows own-images --data flowers`
    """
    plugins.register(plugin)
    if (kind is Kind.rows) != (of is not None):
        raise UserError(
            "list rows SUITE: name a suite (`list suites`)" if of is None else f"list {kind}: takes no suite"
        )
    if of is not None:
        _list_rows(of, data, as_json)
        return
    if data is not None:
        raise UserError(f"--data: for `list rows SUITE` alone: list {kind} reads no data")
    rows = _ROWS[kind]()
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    if not long:
        console = terminal.console()
        name_width = max(len(row["name"]) for row in rows)
        for row in rows:
            console.print(_line(row, name_width, console.width), highlight=False, soft_wrap=True)
        return
    terminal.console().print(_table(rows))


def _table(rows: Rows) -> Table:
    columns = [key for key in rows[0] if key not in _HIDDEN]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        # a name is there to be typed, so it is never cut
        table.add_column(column.replace("_", " "), no_wrap=column == "name", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    return table


def _list_rows(name: str, data: Path | None, as_json: bool) -> None:
    from bench.commands import list_rows

    rows = list_rows.rows_of(name, data)
    if as_json:
        typer.echo(json.dumps(list_rows.as_json(rows), indent=1))
    else:
        list_rows.show(terminal.console(), rows)
