"""`list`: what is registered, as a table or as JSON. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from bench import networks, plugins
from bench.commands.options import Plugin
from bench.planning import suite
from bench.recipe.optimizers import OPTIMIZERS, OptimizerKind
from bench.recipe.schedules import SCHEDULES, ScheduleKind
from bench.sweep import terminal
from datasets import noise_models
from datasets import registry as datasets
from datasets.views import VIEW_POLICIES
from methods import registry as methods

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
    suites = "suites"


def _methods() -> Rows:
    return [
        {
            "name": info.name,
            "title": info.title,
            "year": info.year,
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

    found: Rows = []
    for kind in kinds:
        model = model_of(kind)
        schema = model.model_json_schema()["properties"]
        settings = {key: schema[key].get("default") for key in model.model_fields}
        about = " ".join(str(model.__doc__ or "").split())
        found.append({"name": kind.name, "title": kind.title, "settings": settings, "description": about})
    return found


def _suites() -> Rows:
    rows = []
    for name in suite.names():
        path = suite.locate(name)
        parts = suite.parts(suite.read(path), str(path))
        found = parts[0]
        rows.append(
            {
                "name": name,
                "title": found.title,
                "purpose": found.purpose,
                "datasets": [part.data.name for part in parts],
                "methods": list(found.methods),
                "description": found.description,
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
    Kind.suites: _suites,
}
_HIDDEN = ("hyper", "file", "options", "reference", "passes_per_step")  # too wide for a table; the JSON has them


def _cell(value: Any) -> str:
    """A value as a table shows it; of settings the names alone."""
    return ", ".join(map(str, value)) if isinstance(value, list | dict) else str(value)


def list_registered(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects instead of a table.")] = False,
    plugin: Plugin = None,
) -> None:
    """List methods, data sets, noise models, view policies, optimisers, schedules, networks or suites.

    Examples:

    - `list methods`
    - `list suites --json`
    """
    plugins.register(plugin)
    rows = _ROWS[kind]()
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    columns = [key for key in rows[0] if key not in _HIDDEN]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        # a name is there to be typed, so it is never cut
        table.add_column(column.replace("_", " "), no_wrap=column == "name", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    terminal.console().print(table)
