"""What `doctor` looks at without running anything: packages, processor, data sets, disks, shared memory."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.doctor.doctor import Budget, Fault, Skipped, Subject
from bench.machine.accelerator import is_cuda
from bench.machine.processor import processor_name
from common import allotment
from datasets import disk, official, registry
from datasets.base import DataError

HOME = Path(__file__).resolve().parents[2]
SHARED_MEMORY = Path("/dev/shm")
LEAST_FREE = 2**30  # bytes of a disk
LEAST_SHARED = 16 * 2**20  # what the processes of a run need to find each other
SHARED_FOR_IMAGE_FILES = 2**30  # batches that reading processes hand to a run on an accelerator
LEAST_MEMORY = 2 * 2**30  # of one run beside the system
IMPORT_SECONDS = 2.0

_IMPORTS = """
import torch
from datasets.torchvision_import import import_torchvision
import_torchvision("torchvision.transforms")
print(torch.__version__, torch.version.cuda or "none")
"""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("+")[0]))


def versions() -> str:
    """Python and every package that is needed, against the least that works and against what was tested."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = dict(line.split(">=") for line in project["dependencies"])
    if sys.version_info[:2] < _numbers(project["requires-python"]):
        raise Fault(f"Python {platform.python_version()}: {project['requires-python']} is needed")
    lines = (HOME / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    absent, old, other = [], [], []
    for name, needed in least.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            absent.append(name)
            continue
        if _numbers(installed) < _numbers(needed):
            old.append(f"{name} {installed} ({needed} is needed)")
        elif name in pins and installed.partition("+")[0] != pins[name]:
            other.append(f"{name} {installed} (tested: {pins[name]})")
    if absent or old:
        raise Fault(f"{', '.join([*absent, *old])}: pip install -c constraints.txt -e .")
    said = f"Python {platform.python_version()}, torch {version('torch')}, {len(least)} packages"
    return f"{said}; other than tested: {', '.join(other)}" if other else f"{said} as tested"


def imports(budget: Budget) -> str:
    """torch and torchvision, in a process of their own: a broken installation often only shows there."""
    limit = min(budget.share(0.5, IMPORT_SECONDS), 60.0)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _IMPORTS], cwd=HOME, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise Skipped(f"torch and torchvision were not imported after {limit:.0f} s (--budget)") from None
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise Fault(f"torch or torchvision cannot be imported: {last}: pip install -c constraints.txt -e .")
    built, cuda = ended.stdout.split()[-2:]
    return f"torch {built} and torchvision; CUDA of this build: {cuda}"


def _memory() -> int | None:
    """Bytes of memory that processes may still take, as far as the kernel tells."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    match = re.search(r"^MemAvailable:\s*(\d+) kB", text, re.MULTILINE)
    return None if match is None else int(match.group(1)) * 1024


def _by(part: allotment.Part, of: str = "") -> str:
    """Who gave less than the machine has; empty where nobody did."""
    return "" if part.source == "the machine" else f"{of} by {part.source}"


def processor() -> str:
    """Processor, load and memory, and what this process was given of them: by whom, where that is not all."""
    given, limit, free, load = allotment.processors(), allotment.memory(), _memory(), os.getloadavg()[0]
    usable, whole = given.amount, os.cpu_count() or 1
    said = f"{processor_name()}; {usable} processors{_by(given, f' of {whole}')}, load {load:.1f}"
    if free is not None:
        said += f", {free / 2**30:.1f} GiB of memory free"
        if limit is not None and _by(limit):
            said += f", {limit.amount / 2**30:.1f} GiB{_by(limit)}"
            free = min(free, limit.amount)
        if free < LEAST_MEMORY:
            raise Fault(f"{said}: a run takes about 1 GiB; end other programs, or run fewer at a time (--jobs 1)")
    if load > usable:
        said += "; busy: rates below are those of a busy machine"
    return said


def existing(path: Path) -> Path:
    """The nearest part of the path that is there."""
    here = path.absolute()
    return next(part for part in (here, *here.parents) if part.exists())


def try_to_write(path: Path, option: str, what: str) -> None:
    """Write a file where the folder is, or is to be made, and remove it. Raises Fault.

    Permission bits alone do not tell: read-only disks, quotas and the superuser have rules of their own.
    """
    here = existing(path)
    if not here.is_dir():
        raise Fault(f"{option} {path}: {here} is a file, not a folder: name another")
    try:
        with tempfile.TemporaryFile(dir=here, prefix=".doctor-") as file:
            file.write(b"x")
            file.flush()
    except OSError as fault:
        hint = "free some space there" if fault.errno == errno.ENOSPC else "allow it (chmod, mount)"
        raise Fault(f"cannot write into {here}: {fault.strerror}: {what}; {hint} or name another ({option})") from None


def data_sets(subject: Subject) -> str:
    """Which data sets are there, and whether those can be read."""
    present, absent, broken = [], [], []
    for declared in registry.DATASETS:
        name = declared.name
        if declared.official is not None:
            layout = declared.official()
            try:
                folder = official.locate(name, layout, subject.data)
            except DataError:
                absent.append(name)
                continue
            faults = {file: fault for file, fault in official.check(layout, folder).items() if fault}
            broken += [f"{folder / file} {fault} (data fetch {name})" for file, fault in faults.items()]
            present += [] if faults else [f"{name} in {folder}"]
        elif declared.lists is not None and subject.data.is_dir():
            sources = disk.locate(name, subject.data)
            if sources.missing:
                absent.append(name)
            elif not os.access(sources.folder, os.R_OK | os.X_OK):
                broken.append(f"{sources.folder} cannot be read")
            else:
                present.append(f"{name} in {sources.folder} (data check {name} reads all)")
        else:
            (present if declared.comes_with else absent).append(name)
    if broken:
        raise Fault("; ".join(broken))
    return f"{', '.join(present)}; not below {subject.data}: {', '.join(absent)}"


def data_folder(subject: Subject) -> str:
    """Whether downloads, indices of image files and resized copies could be written."""
    try_to_write(subject.data, "--data", "downloads, indices of image files and resized copies go there")
    return f"{subject.data} can be written" + ("" if subject.data.exists() else " (it is not there yet)")


def disks(subject: Subject) -> str:
    """Free space for records and data, and whether records could be written."""
    try_to_write(subject.out, "--out", "records and checkpoints go there")
    said = []
    for option, path in (("--out", subject.out), ("--data", subject.data)):
        free = shutil.disk_usage(existing(path)).free
        if free < LEAST_FREE:
            raise Fault(f"{option} {path}: {free / 2**30:.2f} GiB free: free at least 1 GiB, or name another disk")
        said.append(f"{free / 2**30:.0f} GiB free for {option} {path}")
    return ", ".join(said)


def shared_memory(subject: Subject) -> str:
    """Room for what processes of one run share."""
    if sys.platform != "linux":
        raise Skipped("only Linux has a folder of shared memory")
    if not SHARED_MEMORY.is_dir():
        raise Fault(f"there is no {SHARED_MEMORY}: mount a tmpfs there (a container's --shm-size, --ipc)")
    try_to_write(SHARED_MEMORY, str(SHARED_MEMORY), "processes of one run meet there")
    total, _, free = shutil.disk_usage(SHARED_MEMORY)
    said = f"{free / 2**20:,.0f} of {total / 2**20:,.0f} MiB free"
    if free < LEAST_SHARED:
        raise Fault(f"{said}: at least 16 MiB are needed (a container's --shm-size)")
    if free < SHARED_FOR_IMAGE_FILES and is_cuda(subject.device):
        return f"{said}: enough for data in memory; image files on an accelerator need 1 GiB (a container's --shm-size)"
    return said
