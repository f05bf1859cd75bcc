"""Options that several commands share, each defined once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bench.commands import completion
from bench.sweep import log, stall
from common.errors import UserError
from results.layout import DEFAULT_OUT as DEFAULT_OUT  # one option among these

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of records, plans and report.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of data sets (default: $NOISY_BENCH_DATA, else a per-user cache).")
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data", help="The data directory (default: NOISY_BENCH_DATA, else a per-user cache)."),
]
DatasetName = Annotated[str, typer.Argument(help="A data set (see `list datasets`).")]
Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        help="A Python file, a folder of such, a package or a project with entry points, or the name of a module that "
        "can be imported, which declares methods, data sets, noise models, views, optimisers, schedules, networks or "
        "selection rules; may be given several times.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Overrides a key of the suite file, such as training.epochs=5."),
]
Methods = Annotated[
    str | None,
    typer.Option("--methods", help="Only these, comma-separated.", autocompletion=completion.method_names),
]
Seeds = Annotated[
    str | None, typer.Option(metavar="N|LIST", help='How many seeds, counted from 0, or which: "0,3,7", "0-4".')
]
At = Annotated[
    list[str] | None,
    typer.Option("--setting", help='Only this setting, such as "symmetric 40%"; may be given several times.'),
]
DataSets = Annotated[
    list[str] | None, typer.Option("--dataset", help="Only this data set of the suite; may be given several times.")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Length of every run.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Runs at a time (default: one per processor, as memory allows)."),
]
Device = Annotated[str, typer.Option(help="auto (cuda, else cpu), cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out broken images instead of refusing the data; recorded.")
]
Workers = Annotated[
    int | None, typer.Option(min=0, help="Processes that read image files for one run (default: by device).")
]
Weights = Annotated[Path | None, typer.Option(help="File of ImageNet weights (default: torchvision's cache).")]
CheckpointSeconds = Annotated[
    float, typer.Option(min=0, help="Least time between two checkpoints of a run; 0: every epoch.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS|slurm:FILE",
        help="Send the runs to the Dask scheduler at tcp://HOST:PORT or tls://HOST:PORT, or to jobs as FILE says.",
    ),
]
ClusterWait = Annotated[
    float | None,
    typer.Option(
        "--cluster-wait",
        min=0,
        metavar="SECONDS",
        help="Wait so long for a cluster's first worker (default: 300; for jobs without end).",
    ),
]
NoWait = Annotated[
    bool,
    typer.Option("--no-wait", help="End once nothing is left to start, without waiting for runs of other commands."),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="TOOL[:DIR]",
        help="Tell a tracker of each epoch: tensorboard, mlflow or wandb (offline); DIR: OUT/TOOL by default.",
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Execute failed runs again.")]
Capture = Annotated[
    str,
    typer.Option("--capture", help="Training steps as captured graphs on an accelerator: auto or off."),
]


def _interval(seconds: float) -> float:
    """The value of --log-every. Raises UserError."""
    if not log.is_interval(seconds):
        raise UserError(
            f"--log-every {seconds:g}: accepted: 0 (no lines), or {log.SHORTEST:g} to {log.LONGEST:,.0f} seconds"
        )
    return seconds


LogEvery = Annotated[
    float,
    typer.Option(
        "--log-every",
        metavar="SECONDS",
        callback=_interval,
        help="Where no terminal is attached, say this often how far it is; 0: never.",
    ),
]


def _stall_minutes(minutes: float) -> float:
    """The value of --stall-minutes. Raises UserError."""
    if minutes != 0 and not stall.SHORTEST <= minutes <= stall.LONGEST:
        accepted = f"0 (never), or {stall.SHORTEST:g} to {stall.LONGEST:,.0f} minutes"
        raise UserError(f"--stall-minutes {minutes:g}: accepted: {accepted}")
    return minutes


StallMinutes = Annotated[
    float,
    typer.Option(
        "--stall-minutes",
        metavar="MINUTES",
        callback=_stall_minutes,
        help="End a run, as failed, that makes no step and no evaluation for so long; 0: never.",
    ),
]
RunsPerDevice = Annotated[
    str,
    typer.Option(metavar="auto|N", help="Runs at a time on each accelerator; auto: by memory and gain, as measured."),
]
Mps = Annotated[
    str,
    typer.Option(metavar="auto|off", help="Several runs on an accelerator share it by NVIDIA's MPS, if it is there."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file there that this command has not written.")]


def _check_letters(path: Path, option: str) -> None:
    """Raises UserError for a path that no line could show."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in str(path)):
        raise UserError(f"{option} {str(path)!r}: a path with control characters")


def check_folder(path: Path, option: str = "--out") -> Path:
    """The path, if it is a folder or can become one. Raises UserError; nothing is created."""
    _check_letters(path, option)
    here = path.absolute()
    for part in (here, *here.parents):
        if part.exists():
            if not part.is_dir():
                raise UserError(f"{option} {path}: {part} is a file, not a folder")
            if not os.access(part, os.W_OK):
                raise UserError(f"{option} {path}: no permission to write into {part}")
            break
    return path


def check_file(path: Path, option: str) -> Path:
    """The path, if a file can be written there. Raises UserError; nothing is created."""
    _check_letters(path, option)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UserError(f"{option} {path}: no such folder")
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder, not a file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UserError(f"{option} {path}: no permission to write there")
    return path
