"""What a job of a job system asks for: a small TOML file, which `run --cluster slurm:FILE` and `slurm-script` read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from bench.recipe.tables import Table
from bench.recipe.validation import validate_part
from common.errors import UserError, unknown

SYSTEMS = ("slurm", "pbs", "lsf", "sge")
"""Those that dask-jobqueue and this project know by the same keys; SLURM alone is tested."""

_TIME = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)")
_MEMORY = re.compile(r"\d{1,6} ?[MG]i?B")


def _time(text: str) -> str:
    if not _TIME.fullmatch(text) or not seconds_of(text):
        raise ValueError('must be hours, minutes and seconds, such as "08:00:00"')
    return text


def _memory(text: str) -> str:
    if not _MEMORY.fullmatch(text):
        raise ValueError('must be a number of MB or GB, such as "16GB"')
    return text.replace(" ", "")


def _one_line(text: str) -> str:
    """Every value becomes a part of a line of a script."""
    if not text.strip() or any(ord(letter) < 32 for letter in text):
        raise ValueError("must be one line of text")
    return text


Line = Annotated[str, AfterValidator(_one_line)]


def seconds_of(time: str) -> int:
    """Seconds of "HH:MM:SS"."""
    hours, minutes, seconds = map(int, time.split(":"))
    return 3600 * hours + 60 * minutes + seconds


class JobFile(Table):
    """jobs: at a time; runs: at a time in each, with a processor each; memory, time: of a job.

    gres: of SLURM, such as "gpu:1". setup: lines before the program starts, as those that load modules. directives:
    further options of the job system, without its prefix. listen: address of this machine that the nodes reach; on
    another than a loopback address all traffic is encrypted.
    """

    jobs: Annotated[int, Field(ge=1, le=10_000)]
    runs: Annotated[int, Field(ge=1, le=1_000)] = 1
    memory: Annotated[str, AfterValidator(_memory)]
    time: Annotated[str, AfterValidator(_time)] | None = None
    partition: Line | None = None
    account: Line | None = None
    gres: Line | None = None
    setup: list[Line] = []
    directives: list[Line] = []
    listen: Line | None = None


def is_named(cluster: str) -> bool:
    """Whether --cluster names a job file, such as "slurm:FILE.toml", and no address."""
    return ":" in cluster and "://" not in cluster


def parted(cluster: str) -> tuple[str, Path]:
    """The system and the file of "slurm:FILE.toml". Raises UserError."""
    system, _, file = cluster.partition(":")
    if system not in SYSTEMS:
        raise unknown("job system", system, SYSTEMS, "--cluster")
    if not file:
        raise UserError(f"--cluster {cluster}: name a file, such as {system}:jobs.toml")
    return system, Path(file)


def read(system: str, path: Path, option: str = "--cluster") -> JobFile:
    """The file, checked. option: by which it was given. Raises UserError with one line that names file and key.

    Workers in jobs need to know how long these may last; an array's time can be told from prices.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        named = f"{system}:{path}" if option == "--cluster" else str(path)
        raise UserError(f"{option} {named}: {fault.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise UserError(f"{path}: not TOML: {fault}") from None
    except ValueError:  # a limit of Python's int
        raise UserError(f"{path}: a number in it has too many digits") from None
    except RecursionError:
        raise UserError(f"{path}: lists or tables are nested too deeply") from None
    job_file = validate_part(JobFile, tables, str(path))
    if option == "--cluster" and job_file.time is None:
        raise UserError(f"{path}: key 'time' is missing: how long a job may last, such as \"08:00:00\"")
    if job_file.gres and system != "slurm":
        raise UserError(f"{path}: key 'gres' is SLURM's; state what {system} takes under 'directives'")
    return job_file
