"""`check`: the conformance checks of a method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bench import plugins
from bench.commands import completion
from bench.commands.options import LogEvery
from bench.sweep import log, terminal
from common.errors import UserError, unknown
from methods import registry as methods

EXIT_FOUND_FAULT = 1
STYLES = {"ok": "green", "failed": "bold red", "skipped": "yellow"}


def named(method: str) -> list[str]:
    """The registered methods that a name or a file stands for; a file that is not yet known becomes a plug-in."""
    if not method.endswith(".py"):
        plugins.register()
        return [methods.info(method).name]
    path = Path(method).resolve()
    if not path.is_file():
        raise UserError(f"{method}: no such file (a method's name or a Python file is accepted)")
    plugins.register([path])
    found = [info.name for info in methods.registered().values() if info.path == path]
    if not found:
        raise UserError(f"{method}: declares no method, and only methods can be checked")
    return found


def _at(method: str, check: str, done: int, total: int, failed: int) -> str:
    """What the line says while a check is made."""
    return f"  {method}: check {check}, {done} of {total} done, {failed} failed"


def check(
    method: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A method (`list methods`) or a Python file.",
            autocompletion=completion.method_names,
        ),
    ],
    only: Annotated[str | None, typer.Option(help="Only these checks, comma-separated.")] = None,
    log_every: LogEvery = log.DEFAULT_SECONDS,
) -> None:
    """Check a method on a small synthetic problem: what it learns, depends on, remembers and refuses.

    Examples:

    - `check elr`
    - `check my_method.py`
    - `check elr --only truth,resume`
    """
    names = named(method)
    # Everything that needs torch comes after the arguments are known to be usable.
    from bench.checks.check import CHECKS, run_checks

    chosen = [part.strip() for part in only.split(",")] if only is not None else list(CHECKS)
    for name in chosen:
        if name not in CHECKS:
            raise unknown("check", name, CHECKS)
    for name in names:
        methods.load(name)  # what cannot be imported is refused before anything is printed
    console, failed, done = terminal.console(), 0, 0
    width, total = max(map(len, CHECKS)), len(names) * len(chosen)
    with terminal.doing(log_every) as doing:
        for name in names:
            console.print(Text(name, style="bold"))
            doing.now(_at(name, chosen[0], done, total, failed))
            for number, result in enumerate(run_checks(name, chosen), start=1):
                line = Text(f"  {result.check:{width}}  ")
                line.append(f"{result.status:7}", style=STYLES[result.status])
                console.print(line.append(f"  {result.seen}"), soft_wrap=True)
                failed, done = failed + (result.status == "failed"), done + 1
                if number < len(chosen):
                    doing.now(_at(name, chosen[number], done, total, failed))
    console.print(f"{total} checks, {failed} failed" if failed else f"{total} checks, none failed", highlight=False)
    if failed:
        raise typer.Exit(EXIT_FOUND_FAULT)
