"""`papers`: which published tables are here, what of them can be made again, and by which command."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import DEFAULT_OUT, Out

if TYPE_CHECKING:
    from bench.api.papers import Paper


def papers(
    out: Out = DEFAULT_OUT,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects instead of lines.")] = False,
) -> None:
    """List published tables with what of them can be reproduced here, and what was.

    Of each: how many numbers it has, how many are of methods that are here (each equal to its authors' losses on
    reference values), how many are a cell of a suite, how many of these follow the published procedure, and how
    many are measured, all seeds done, in the store.

    Examples:

    - `papers`
    - `papers --out DIR --json`
    """
    from bench.api import papers as api
    from bench.sweep import terminal

    listed = api.papers(out)
    if as_json:
        typer.echo(json.dumps([{**asdict(paper), "commands": paper.commands} for paper in listed], indent=1))
        return
    console = terminal.console()
    for paper in listed:
        console.print(paper.key, style="bold", highlight=False)
        lines = [*paper.papers, *_state(paper), *paper.commands]
        for line in lines:
            console.print(f"  {line}" if len(line) <= 76 else f"  {line[:73]}...", highlight=False, soft_wrap=True)


def _state(paper: Paper) -> list[str]:
    numbers = f"{paper.numbers} numbers, {paper.of_methods} of methods that are here"
    if not paper.suites:
        return [f"{numbers}; no suite runs it"]
    deviating = paper.of_cells - paper.as_published
    cells = f"{paper.of_cells} in a suite: {paper.as_published} as published, {deviating} deviate"
    return [numbers, f"{cells}; {paper.measured} measured"]
