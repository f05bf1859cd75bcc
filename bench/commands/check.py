"""`check`: the conformance checks of a method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from bench import plugins
from bench.commands import completion
from bench.commands.options import Device, LogEvery, Plugin
from bench.machine import accelerator
from bench.networks import NETWORKS
from bench.planning.suite import assigned_values
from bench.sweep import log, terminal
from common.errors import UserError, unknown
from methods import registry as methods
from methods.hyper import resolve_hyper

if TYPE_CHECKING:
    from bench.checks.subject import Subject

EXIT_FOUND_FAULT = 1
STYLES = {"ok": "green", "failed": "bold red", "skipped": "yellow"}


def named(method: str) -> list[str]:
    """The registered methods that a name, a file or a folder stands for; what is not yet known becomes a plug-in."""
    path = Path(method).resolve()
    if not (method.endswith(".py") or path.is_dir()) or method in methods.METHODS:
        plugins.register()
        return [methods.info(methods.typed(method)).name]
    if not path.exists():
        raise UserError(f"{method}: no such file (a method's name, a Python file or a folder is accepted)")
    plugins.register([path])
    declared = [one.name for one in methods.registered().values() if path in (one.path, *one.path.parents)]
    if not declared:
        raise UserError(f"{method}: declares no method, and only methods can be checked")
    return declared


Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyper-parameter, such as penalty=0.5.")
]


def _given(method: str, assignments: list[str]) -> dict[str, Any]:
    """The hyper-parameters that --set gives. Raises UserError or MethodError, as where the method has none such."""
    given = assigned_values(assignments, "penalty=0.5")
    resolve_hyper(methods.info(method).hyper, given, f"--set: method {method!r}")
    return given


def _at(method: str, check: str, done: int, total: int, failed: int) -> str:
    """What the line says while a check is made."""
    return f"  {method}: check {check}, {done} of {total} done, {failed} failed"


def check(
    method: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE|FOLDER",
            help="A method (`list methods`) or a Python file.",
            autocompletion=completion.method_names,
        ),
    ],
    only: Annotated[str | None, typer.Option(help="Only these checks, comma-separated.")] = None,
    settings: Settings = None,
    network: Annotated[str | None, typer.Option(help="A network (`list networks`); else one for 8 x 8 pixels.")] = None,
    device: Device = "cpu",
    plugin: Plugin = None,
    whole: Annotated[bool, typer.Option("--traceback", help="Show the traceback of each finding.")] = False,
    log_every: LogEvery = log.DEFAULT_SECONDS,
) -> None:
    """Check a method on a small synthetic problem: what it learns, depends on, remembers and refuses.

    Examples:

    - `check elr`
    - `check my_method.py`
    - `check elr --only truth,resume`
    - `check my_method.py --set penalty=0.5 --network resnet18 --traceback`
    """
    plugins.register(plugin)
    names = named(method)
    # Everything that needs torch comes after the arguments are known to be usable.
    from bench.checks.check import CHECKS
    from bench.checks.problem import NETWORK
    from bench.checks.subject import Subject

    chosen = [part.strip() for part in only.split(",")] if only is not None else list(CHECKS)
    for name in chosen:
        if name not in CHECKS:
            raise unknown("check", name, CHECKS)
    where = accelerator.choose(device)
    if network is not None:
        NETWORKS.get(network, "--network")
    given = {name: _given(name, settings or []) for name in names}
    # What cannot be imported is refused before anything is printed.
    subjects = [Subject(name, given[name], where, network or NETWORK) for name in names]
    total, failed = _look(subjects, chosen, whole, log_every)
    said = f"{total} checks, {failed} failed" if failed else f"{total} checks, none failed"
    terminal.console().print(said, highlight=False)
    if failed:
        raise typer.Exit(EXIT_FOUND_FAULT)


def _look(subjects: Sequence[Subject], chosen: Sequence[str], whole: bool, log_every: float) -> tuple[int, int]:
    """Make the checks and print a line for each; how many there were, and how many failed."""
    from bench.checks.check import CHECKS, run_checks

    console, failed, done = terminal.console(), 0, 0
    width, total = max(map(len, CHECKS)), len(subjects) * len(chosen)
    with terminal.doing(log_every) as doing:
        for subject in subjects:
            name = subject.info.name
            console.print(Text(name, style="bold"))
            doing.now(_at(name, chosen[0], done, total, failed))
            for number, result in enumerate(run_checks(subject, chosen), start=1):
                line = Text(f"  {result.check:{width}}  ")
                line.append(f"{result.status:7}", style=STYLES[result.status])
                console.print(line.append(f"  {result.seen}"), soft_wrap=True)
                if whole and result.traceback:
                    console.print(Text(result.traceback), soft_wrap=True)
                failed, done = failed + (result.status == "failed"), done + 1
                if number < len(chosen):
                    doing.now(_at(name, chosen[number], done, total, failed))
    return total, failed
