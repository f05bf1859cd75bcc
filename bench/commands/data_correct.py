"""`data correct`: a review of suspects becomes a list of images to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import DataRoot, Force, check_file
from bench.machine.outputs import check_replaceable, write_output
from bench.sweep import terminal
from common.errors import UserError
from datasets import corrected, disk, own_import, registry

DEFAULT = "checked.csv"
_HEAD = ",".join(own_import.HEADER).encode()
"""How each list begins that this command has written."""


def correct(
    review: Annotated[Path, typer.Argument(help="The file that the page of `suspects --page` has exported.")],
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="What the new list is called.")] = DEFAULT,
    data: DataRoot = None,
    file: Annotated[
        str | None, typer.Option("--file", help="The list that was trained on (default: labels.csv or kin).")
    ] = None,
    force: Force = False,
) -> None:
    """Write a list of own images with the labels of a review; train on it with `--set data.file=checked.csv`.

    The list lies beside the old one, which stays as it is. What somebody has looked at is a `clean_label` there.

    Examples:

    - `data correct reviewed.csv --data flowers`
    - `data correct second.csv --data flowers --file checked.csv --to checked-twice.csv`
    """
    if Path(to).name != to or not to.endswith(".csv"):
        raise UserError(f"--to {to!r}: the name of a .csv file, which is written into the folder of --data")
    root = data or registry.default_root()
    sources = disk.complete("folder", root, file)
    target = sources.folder / to
    check_file(target, "--to")
    if sources.files.get("list") == target:
        raise UserError(f"--to {to!r}: is the list that was trained on: choose another name")
    check_replaceable(target, "--to", lambda content: content.startswith(_HEAD), force)
    said = corrected.decisions(review)
    made = corrected.apply(review, said, disk.opened("folder", sources, registry.user_cache()), sources.folder)
    write_output(target, made.content, "--to")
    console = terminal.console(soft_wrap=True, highlight=False)
    console.print(f"{target}: {made.reviewed} images reviewed, {made.changed} labels changed, {made.left_out} left out")
    console.print(f"train on it: --set data.file={to} --data {root}")
