"""`new-method`: write the file of a new method, which already runs."""

from __future__ import annotations

import datetime
import keyword
import re
import shlex
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from bench import plugins
from bench.commands.options import check_folder
from bench.sweep import terminal
from common.errors import UserError
from methods import registry as methods

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "method.py.txt"
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


def render(name: str) -> str:
    """The file's text."""
    title = name.replace("_", " ").capitalize()
    class_name = "".join(part.capitalize() for part in name.split("_"))
    values = {"name": name, "title": title, "class_name": class_name, "year": datetime.date.today().year}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)


def new_method(
    name: Annotated[str, typer.Argument(help="Its name in suites and tables, such as my_idea.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="The folder (default: methods/ of this checkout).")
    ] = None,
) -> None:
    """Write one commented file of a method that already runs; put your loss into it.

    Examples:

    - `new-method my_idea`
    - `new-method my_idea --to ../my-methods`
    """
    plugins.register()
    check_name(name)
    folder = METHODS if to is None else check_folder(to, "--to")
    path = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(render(name))
    except FileExistsError:
        raise UserError(f"{path}: there is a file already; nothing is overwritten") from None
    except OSError as fault:
        raise UserError(f"{path}: cannot be written: {fault.strerror}") from None
    listed = folder.resolve() == METHODS
    quoted = shlex.quote(str(path))
    option = "" if listed else f" --plugin {quoted}"
    console = terminal.console(soft_wrap=True, highlight=False)
    console.print(f"written: {path}")
    console.print(f"check it:    python run_benchmark.py check {name if listed else quoted}")
    console.print(f"compare it:  python run_benchmark.py run quick --methods {name},elr,car{option}")
    console.print("look at it:  python run_benchmark.py report")
