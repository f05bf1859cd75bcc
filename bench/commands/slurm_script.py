"""`slurm-script`: an array of SLURM jobs that share a suite, as a script to hand to sbatch."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated

import typer

from bench.api.planned import Planned, plan_of
from bench.api.request import PlanOptions
from bench.commands import completion
from bench.commands.options import (
    DEFAULT_OUT,
    At,
    Data,
    DataSets,
    Device,
    Epochs,
    Force,
    Methods,
    Out,
    Plugin,
    Precision,
    Seeds,
    Set,
    check_folder,
)
from bench.jobs import array_script, job_file
from bench.machine import accelerator
from bench.machine.outputs import check_replaceable, write_output
from bench.sweep import price
from common.errors import UserError
from results.layout import Layout
from results.store import Store

SPARE = 1.5  # of the price: nodes differ, and runs do not end all at once
LEAST_SECONDS = 600

Suite = Annotated[
    str,
    typer.Argument(
        metavar="SUITE|FILE", help="A suite (`list suites`) or a suite file.", autocompletion=completion.suites
    ),
]
Jobs = Annotated[
    Path, typer.Option("--jobs-file", metavar="FILE", help="What a job asks for: a TOML file, see docs/cluster.md.")
]


def slurm_script(
    name: Suite,
    jobs: Jobs,
    chosen: Methods = None,
    seeds: Seeds = None,
    at: At = None,
    datasets: DataSets = None,
    epochs: Epochs = None,
    device: Device = "auto",
    precision: Precision = None,
    data: Data = None,
    out: Out = DEFAULT_OUT,
    assignments: Set = None,
    plugin: Plugin = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write the script to this file.")] = None,
    force: Force = False,
) -> None:
    """Print the script of an array of SLURM jobs that execute what is missing of a suite.

    The jobs share the folder --out and need no scheduler of ours. A job that reaches its time limit is queued again.
    Without `time` in FILE the limit is what recorded runs of this folder tell of the suite. With it, the accelerator
    of --device need not be in this machine.

    Examples:

    - `slurm-script quick --jobs-file jobs.toml --to quick.sh`
    """
    check_folder(out)
    if to is not None:
        check_folder(to.absolute().parent, "--to")
        check_replaceable(to, "--to", lambda content: b"#SBATCH --job-name=nlb-" in content, force)
    asked = job_file.read("slurm", jobs, "--jobs-file")
    wanted = PlanOptions(
        chosen, seeds, epochs, precision, assignments or [], _planned_on(device, asked, jobs), data, plugin or [],
        at=at or [], datasets=datasets or [],
    )  # fmt: skip
    planned = plan_of(name, wanted)
    limit = asked.time or _limit(planned, asked, out, wanted.where(), jobs)
    Layout(out.absolute()).jobs.mkdir(parents=True, exist_ok=True)  # SLURM makes no folder for a log
    once = {"--methods": chosen, "--seeds": seeds, "--epochs": epochs, "--device": device, "--precision": precision,
            "--data": None if data is None else data.absolute()}  # fmt: skip
    often = {"--setting": at, "--dataset": datasets, "--set": assignments, "--plugin": plugin}
    options = [word for key, value in once.items() if value is not None for word in (key, str(value))]
    # a plug-in as it was given, for it may be the name of a module; the script starts in this folder
    options += [word for key, values in often.items() for value in values or () for word in (key, str(value))]
    text = array_script.script(asked, name, limit, options, out.absolute(), Path.cwd())
    if to is None:
        typer.echo(text, nl=False)
    else:
        write_output(to, text.encode(), "--to")


def _planned_on(device: str, asked: job_file.JobFile, file: Path) -> str:
    """The device to plan on, as a job's accelerator need not be in this machine: then a processor.

    Raises UserError where a job's time limit would have to be told by that accelerator.
    """
    if accelerator.count() or not re.fullmatch("cuda(:[0-9]+)?", device):
        return device
    if asked.time is None:
        raise UserError(f"{file}: key 'time' is missing, and no CUDA device is here to tell it by: state it, such as "
                        'time = "08:00:00"')  # fmt: skip
    return "cpu"


def _limit(planned: Planned, asked: job_file.JobFile, out: Path, device: str, file: Path) -> str:
    """A job's time limit by the price of what is missing, "HH:MM:SS". Raises UserError where nobody knows a price."""
    known = Store(out)
    rates = price.rates((known.load(address) for address in known.addresses()), device)
    missing = [cell for cell in planned.cells if not known.has(cell.address)]
    seconds = [price.estimate(cell, rates, {}).seconds for cell in missing]
    priced = [one for one in seconds if one is not None]
    if len(priced) < len(seconds):
        told = f"{len(seconds) - len(priced)} of {len(missing)} runs have no price"
        raise UserError(f"{file}: key 'time' is missing, and {told} yet: state it, such as time = \"08:00:00\"")
    slots = asked.jobs * asked.runs
    whole = max(sum(priced) / slots, max(priced, default=0.0))
    minutes = math.ceil(max(SPARE * whole, LEAST_SECONDS) / 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"
