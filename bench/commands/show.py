"""`show NAME`: all that something registered says of itself, with sources. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import typer

from bench import plugins
from bench.commands import completion
from bench.commands.list_rows import value_text
from bench.commands.options import Plugin
from bench.commands.show_kinds import KINDS
from bench.sweep import terminal
from common.errors import unknown
from methods import published
from methods import registry as methods
from methods.hyper import HyperParameter

Line = tuple[str, str]
"""A line and its style; "" is plain."""


def _method(name: str) -> dict[str, Any]:
    """What a method says of itself."""
    info = methods.info(name)
    return {
        "kind": "method",
        "name": info.name,
        "title": info.title,
        "year": info.year,
        "family": info.family,
        "reference": info.reference,
        "version": info.version,
        "networks": info.networks,
        "passes_per_step": info.passes_per_step,
        "needs": sorted(info.needs),
        "marks": sorted(info.marks),
        "hyper": {key: dict(value) for key, value in info.hyper.items()},
        "published": [dict(entry) for entry in info.published],
        "file": str(info.path),
    }


def _accepted(declared: HyperParameter) -> str:
    """What a hyper-parameter may be, in words."""
    if "choices" in declared:
        return " or ".join(map(str, declared["choices"]))
    unit = " epochs, or a share of the run" if declared.get("unit") else ""
    return "{:g} to {:g}".format(*declared["bounds"]) + unit if "bounds" in declared else "yes or no"


def _method_lines(name: str) -> Iterator[Line]:
    info = methods.info(name)
    yield f"{info.title} ({info.name})", "bold"
    yield f"  {info.reference}", ""
    if info.family:
        yield f"  family: {info.family}", ""
    yield f"  networks {info.networks}, passes a step {info.passes_per_step:g}, version {info.version}", ""
    for title, words in (("needs", info.needs), ("marks", info.marks)):
        if words:
            yield f"  {title}: {', '.join(sorted(words)).replace('_', ' ')}", ""
    yield f"  {info.path}", "dim"
    if info.hyper:
        yield "\nhyper-parameters", "bold"
    for key, declared in info.hyper.items():
        default = value_text(declared["default"])
        yield f"  {key:24} {default:10} {_accepted(declared):40} {declared['source']}", ""
    for entry in info.published:
        yield f"\nits paper, {published.place(entry)}: {entry['source']}", "bold"
        yield from _values(entry.get("training", {}), "")
        yield from _values(entry.get("hyper", {}), "hyper.")
        for text in entry.get("deviations", ()):
            yield f"  deviates: {text}", "yellow"


def _values(table: Mapping[str, Any], prefix: str) -> Iterator[Line]:
    """A line for each value of a table and of those in it, under its dotted key."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _values(value, f"{prefix}{key}.")
        else:
            yield f"  {prefix + key:34} {value_text(list(value) if isinstance(value, tuple) else value)}", ""


def _fact_lines(kind: str, facts: Mapping[str, Any]) -> Iterator[Line]:
    """The facts of a suite, a network, a data set or a noise model, a line each; what has none is left out."""
    yield f"{facts['title']} ({kind} {facts['name']})", "bold"
    for key, value in facts.items():
        if key in ("name", "title") or value in ("", None, [], {}):
            continue
        if isinstance(value, Mapping):
            yield f"  {key}", ""
            yield from ((f"  {line}", style) for line, style in _values(value, ""))
        else:
            yield f"  {key:24} {value_text(value)}", ""


def _entries(name: str) -> list[tuple[dict[str, Any], Iterable[Line]]]:
    """Everything of that name, as an object and in lines: a suite may be called as a method is. Raises UserError."""
    method = methods.typed(name)
    entries: list[tuple[dict[str, Any], Iterable[Line]]] = []
    if method in methods.METHODS:
        entries.append((_method(method), _method_lines(method)))
    known = list(methods.registered())
    for kind, (names, facts) in KINDS.items():
        known += names()
        if name in names():
            said = facts(name)
            entries.append(({"kind": kind, **said}, _fact_lines(kind, said)))
    if not entries:
        raise unknown("name", name, known)
    return entries


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="METHOD|SUITE|NETWORK|DATASET|NOISE", help="What to show.", autocompletion=completion.method_names
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects instead of lines.")] = False,
    plugin: Plugin = None,
) -> None:
    """Show all there is to a name: of a method its hyper-parameters with their sources, and what its paper trained it
    with; of a suite its protocol and rows; of a network, a data set or a noise model what is declared.

    Examples:

    - `show elr`
    - `show cifar10-lite`
    - `show preact_resnet18 --json`
    """
    plugins.register(plugin)
    entries = _entries(name)
    if as_json:
        typer.echo(json.dumps([one for one, _ in entries], indent=1))
        return
    console = terminal.console()
    for number, (_, lines) in enumerate(entries):
        if number:
            console.print()
        for line, style in lines:
            console.print(line, style=style or None, highlight=False, soft_wrap=True, markup=False)
