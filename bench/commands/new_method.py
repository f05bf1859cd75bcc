"""`new-method`: write the file of a new method, which already runs."""

from __future__ import annotations

import datetime
import keyword
import re
import shlex
import sys
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from bench import plugins
from bench.commands.options import check_folder
from bench.sweep import terminal
from common.errors import UserError, unknown
from methods import registry as methods

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
KINDS = ("loss", "two_networks", "semi_supervised", "bilevel")
TRUSTED = "data.trusted={size=100, per_class=true}"
"""What a method that needs trusted samples asks of a suite."""
METHODS = Path(methods.__file__).resolve().parent
LONGEST_NAME = 40


def check_name(name: str) -> None:
    """Raise UserError unless `name` is fit for a method, its file and its class, and not taken."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST_NAME:
        raise UserError(
            f"method name {name!r}: small letters, digits and single underscores, a letter first, at most "
            f"{LONGEST_NAME} characters, such as my_idea"
        )
    if keyword.iskeyword(name):
        raise UserError(f"method name {name!r} is a word of Python's")
    known = methods.registered()
    if name in known:
        raise UserError(f"method name {name!r} is taken by {known[name].path}")


def check_kind(kind: str) -> None:
    """Raise UserError unless there is a template of that kind."""
    if kind not in KINDS:
        raise unknown("kind of method", kind, KINDS, "--kind")


def render(name: str, kind: str = "loss") -> str:
    """The file's text. kind: one of KINDS."""
    title = name.replace("_", " ").capitalize()
    class_name = "".join(part.capitalize() for part in name.split("_"))
    values = {"name": name, "title": title, "class_name": class_name, "year": datetime.date.today().year}
    return Template((TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8")).substitute(values)


def _default() -> Path:
    """Where a checkout keeps its methods; the current folder where the package is installed: nobody edits that."""
    return METHODS if (METHODS.parent / "pyproject.toml").is_file() else Path()


def new_method(
    name: Annotated[str, typer.Argument(help="Its name in suites and tables, such as my_idea.")],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="DIR",
            help="The folder (default: methods/ of this checkout; of an installed package, this folder).",
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help=f"What it begins as: {', '.join(KINDS)}.")] = "loss",
) -> None:
    """Write one commented file of a method that already runs; put yours into it.

    Examples:

    - `new-method my_idea`
    - `new-method my_idea --to ../my-methods --kind semi_supervised`
    """
    plugins.register()
    check_name(name)
    check_kind(kind)
    folder = _default() if to is None else check_folder(to, "--to")
    path = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(render(name, kind))
    except FileExistsError:
        raise UserError(f"{path}: there is a file already; nothing is overwritten") from None
    except OSError as fault:
        raise UserError(f"{path}: cannot be written: {fault.strerror}") from None
    listed = folder.resolve() == METHODS
    quoted = shlex.quote(str(path))
    option = "" if listed else f" --plugin {quoted}"
    option += f" --set '{TRUSTED}'" if kind == "bilevel" else ""
    console = terminal.console(soft_wrap=True, highlight=False)
    program = called_as(sys.argv[0])
    console.print(f"written: {path}")
    console.print(f"check it:    {program} check {name if listed else quoted}")
    console.print(f"compare it:  {program} run quick --methods {name},elr,car{option}")
    console.print(f"look at it:  {program} report")


def called_as(typed: str) -> str:
    """How the command line is called again from this folder, where it was called as `typed`."""
    called = Path(typed)
    if called.stem == "noisy-label-bench":
        return called.stem
    return f"python {shlex.quote(typed)}" if called.name == "run_benchmark.py" else "python run_benchmark.py"
