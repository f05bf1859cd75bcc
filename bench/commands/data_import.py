"""`data import`: own images in other forms become a folder with a list, and a table of other columns such a list."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import Force, check_file, check_folder
from bench.machine.outputs import check_replaceable, write_output
from bench.sweep import terminal
from common.errors import UserError
from datasets import arrow_tables, own_arrays, own_columns, own_import
from datasets.arrow_tables import Columns
from datasets.base import DataError
from datasets.own_import import Imported

_TABLES = (".csv", ".tsv")
_LISTS = b"path,label"
"""How each list begins that this command has written."""


def _read(source: Path, columns: Columns) -> Imported:
    """What lies at `source`. Raises DataError, UserError."""
    if source.suffix == ".npz" or (source.is_dir() and any(source.glob("*.npy"))):
        for option, value in {
            "--image": columns.image,
            "--label": columns.label,
            "--clean-label": columns.clean,
        }.items():
            if value is not None:
                raise UserError(f"{option} {value!r}: names a column of a table; arrays are told by their names")
        return own_arrays.read(source)
    if arrow_tables.is_saved(source):
        return arrow_tables.read(source, columns)
    accepted = "an .npz file, a folder of .npy files, a folder that save_to_disk wrote, a .csv or .tsv table"
    raise UserError(f"{source}: not a data set that can be taken over (accepted: {accepted})")


def _rewrite(source: Path, target: Path, columns: Columns, force: bool) -> int:
    """Write the list of another table; it names the same files, so it must lie beside it."""
    if target.suffix != ".csv" or target.absolute().parent != source.absolute().parent:
        raise UserError(f"{target}: of a table, name a .csv file beside it, as paths are relative to its folder")
    check_file(target, "TARGET")
    check_replaceable(target, "TARGET", lambda content: content.startswith(_LISTS) and target != source, force)
    content, count = own_columns.rewritten(source, columns)
    write_output(target, content, "TARGET")
    return count


def import_images(
    source: Annotated[Path, typer.Argument(help="An .npz file, a folder of .npy, of save_to_disk, or a .csv table.")],
    target: Annotated[Path, typer.Argument(help="The folder to write; of a table, a .csv file beside it.")],
    image: Annotated[str | None, typer.Option("--image", help="The column of images, or of their paths.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The column of labels.")] = None,
    clean: Annotated[
        str | None, typer.Option("--clean-label", help="The column of second labels, by people who have looked.")
    ] = None,
    force: Force = False,
) -> None:
    """Take over images of another form as the data set `folder`.

    Arrays and data sets of Hugging Face's library become a folder of image files with a list of labels. A table whose
    columns are called otherwise, or that has several labels an image, becomes a list beside it. A tree of folders, one
    a class, needs none of this.

    Examples:

    - `data import digits.npz digits`
    - `data import saved-data-set flowers --clean-label checked`
    - `data import flowers/answers.csv flowers/worst.csv --image file --label worst --clean-label majority`
    """
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    columns = Columns(image, label, clean)
    console = terminal.console()
    if source.suffix in _TABLES:
        count = _rewrite(source, target, columns, force)
        data, file = target.parent, f" --file {target.name}"
        console.print(f"{target}: {count:,} images", highlight=False, soft_wrap=True)
    else:
        check_folder(target, "TARGET")
        try:
            counts = own_import.write(target, _read(source, columns))
        except DataError as fault:
            raise DataError(str(fault) if str(source) in str(fault) else f"{source}: {fault}") from None
        except FileExistsError:
            raise UserError(f"{target}: {errno.errorcode[errno.EEXIST]}: somebody else has written it") from None
        data, file = target, ""
        told = ", ".join(f"{count:,} {split or 'images'}" for split, count in counts.items())
        console.print(f"{target}: {told}", highlight=False, soft_wrap=True)
    console.print(f"look at them: data check folder --data {data}{file}", highlight=False, soft_wrap=True)
