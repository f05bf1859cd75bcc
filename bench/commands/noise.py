"""`noise DATASET MODEL RATE`: draw noisy labels, write them, and show what they are."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from bench import plugins
from bench.commands.options import DEFAULT_OUT, DataRoot, DatasetName, Force, Plugin, check_folder
from bench.machine.outputs import check_replaceable, write_output
from bench.planning.suite import assigned_values
from bench.sweep import terminal
from common.errors import UserError
from datasets import registry
from datasets.base import DataSet, FloatArray
from datasets.noise import NoisyLabels, check_noise, info, make_noise, title
from results.layout import Layout

WIDEST_MATRIX = 20  # classes; of a larger matrix only the most frequent confusions are shown
SHOWN_CONFUSIONS = 15


def _arrays(dataset: DataSet, noisy: NoisyLabels) -> dict[str, Any]:
    """What is written; where the truth is not known, the given labels alone."""
    arrays: dict[str, Any] = {"labels": noisy.labels, "fingerprint": np.array(noisy.fingerprint)}
    if noisy.matrix is not None:
        arrays |= {"true_labels": dataset.train.labels, "actual_rate": np.array(noisy.actual_rate)}
        arrays |= {"matrix": noisy.matrix, "expected_matrix": noisy.expected_matrix}
    return arrays


def _is_ours(content: bytes) -> bool:
    """Whether a file is one that this command writes."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return False
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {"labels.npy", "fingerprint.npy"} <= set(archive.namelist())


def _write(path: Path, dataset: DataSet, noisy: NoisyLabels) -> None:
    """Write the npz whole or not at all."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **_arrays(dataset, noisy))
    write_output(path, stream.getvalue(), "--out")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _class(label: int, names: tuple[str, ...]) -> str:
    return names[label] if names[label] == str(label) else f"{label} {names[label]}"


def _matrix_table(matrix: FloatArray, names: tuple[str, ...]) -> Table:
    table = _table("Per cent of each true class (rows) by given label (columns)")
    table.add_column("true class", no_wrap=True)
    for label in range(len(names)):
        table.add_column(str(label), justify="right", no_wrap=True)
    for true, row in enumerate(matrix):
        cells = [Text("." if share == 0 else f"{100.0 * share:.1f}") for share in row]
        cells[true].stylize("bold")
        table.add_row(_class(true, names), *cells)
    return table


def _confusion_table(matrix: FloatArray, names: tuple[str, ...]) -> Table:
    kept = np.diag(matrix)
    spread = f"{100 * kept.min():.1f} to {100 * kept.max():.1f}%"
    table = _table(f"Classes keep {spread} of their labels; most frequent wrong labels of {len(names)} classes")
    table.add_column("true class")
    table.add_column("given label")
    table.add_column("per cent", justify="right")
    wrong = matrix - np.diag(kept)
    for position in np.argsort(-wrong, axis=None, kind="stable")[:SHOWN_CONFUSIONS]:
        true, given = divmod(int(position), len(names))
        if wrong[true, given] > 0:
            table.add_row(_class(true, names), _class(given, names), f"{100.0 * wrong[true, given]:.1f}")
    return table


Model = Annotated[str, typer.Argument(help="A noise model (see `list noise`).")]
Rate = Annotated[float | None, typer.Argument(help="The nominal rate, in [0, 1].")]
Seed = Annotated[int, typer.Option(help="The run seed.")]
File = Annotated[Path | None, typer.Option("--out", help="The npz file to write (default: below output/noise).")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the noise model.")]


def noise(
    dataset: DatasetName,
    model: Model,
    rate: Rate = None,
    seed: Seed = 0,
    out: File = None,
    data: DataRoot = None,
    assignments: Set = None,
    plugin: Plugin = None,
    force: Force = False,
) -> None:
    """Draw the noisy labels of a data set, write them as npz, and show their rates and transition matrix.

    Examples:

    - `noise digits symmetric 0.4`
    - `noise cifar10 asymmetric 0.4 --seed 1 --set sampling=per_sample`
    """
    if out is not None:
        if out.suffix != ".npz":
            raise UserError(f"--out {out}: the name must end in .npz")
        check_folder(out.parent)
        check_replaceable(out, "--out", _is_ours, force)
    plugins.register(plugin)
    options = assigned_values(assignments or [], "sampling=per_sample")
    if rate is None and info(model).takes_rate:
        raise UserError(f"noise {model!r} needs a rate in [0, 1], such as 0.4")
    nominal = 0.0 if rate is None else rate
    check_noise(registry.describe(dataset, data).info, model, nominal, options)
    clean = registry.load(dataset, data)
    noisy = make_noise(clean, model, nominal, options, seed)
    name = title(model, nominal, options)
    stem = "-".join([dataset, model, *([f"{nominal:g}"] if info(model).takes_rate else []), f"seed{seed}"])
    path = out or Layout(DEFAULT_OUT).noise(f"{stem}.npz")
    _write(path, clean, noisy)
    console = terminal.console(soft_wrap=True, highlight=False)
    for warning in noisy.warnings:
        console.print(f"warning: {warning}", style="yellow")
    if noisy.matrix is None or noisy.actual_rate is None or noisy.expected_rate is None:
        console.print(f"{dataset}, {name}: the true labels are not known, and so no rate is")
    else:
        console.print(
            f"{dataset}, {name}, {100.0 * noisy.actual_rate:.1f}% wrong (expected {100.0 * noisy.expected_rate:.1f}%)"
        )
    console.print(f"fingerprint {noisy.fingerprint}")
    if noisy.matrix is not None:
        table = _matrix_table if clean.num_classes <= WIDEST_MATRIX else _confusion_table
        console.print(table(noisy.matrix, clean.class_names))
    console.print(f"written to {path}")
