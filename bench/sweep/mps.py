"""NVIDIA's MPS, by which kernels of several processes run on a device at a time instead of taking turns.

Where a device takes several runs, a command starts a control daemon of its own and stops it at its end. The daemon's
folder is named after the command: process, its start time, its namespace of processes. So whoever comes later sees
whether that command lives, and where it was killed stops what it left. Nothing else's daemon is ever touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.sweep.leftovers import is_orphan, mark

PROGRAM = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
DEFAULT_PIPES = Path("/tmp/nvidia-mps")
START_SECONDS, STOP_SECONDS = 20.0, 10.0
_LONGEST = 107 - len("/pipe/control_privileged")  # of a folder: a socket's path has at most 107 bytes
LOST = "runs on one device take turns instead of overlapping"

Tell = Callable[[str], None]


@dataclass
class Service:
    """MPS as the workers of a command see it.

    active: kernels overlap; variables: what the workers' environment needs for that; folder: of a daemon of our own.
    """

    tell: Tell
    active: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def give_up(self, reason: str) -> None:
        """Go on without: a worker could not use the device through it."""
        with self.lock:
            if self.variables:
                self.variables, self.active = {}, False
                self.tell(f"MPS does not work here ({reason}): {LOST}")


@contextlib.contextmanager
def serving(wanted: bool, tell: Tell) -> Iterator[Service]:
    """MPS during the block, if it is `wanted` and can be had; tells in a line what is lost where it cannot."""
    service = Service(tell)
    program = shutil.which(PROGRAM)
    if program is None:
        if wanted:
            tell(f"no {PROGRAM} on PATH, so no MPS: {LOST}")
        yield service
        return
    for root in (*_roots(), Path(f"/run/user/{os.getuid()}")):
        _stop_orphans(program, _below(root))
    base = _base()
    try:
        if wanted:
            _have(program, base, service)
        yield service
    finally:
        if base is not None:
            if service.folder is not None:
                _stop(program, service.folder)
            with contextlib.suppress(OSError):  # another command's daemon is in it
                base.rmdir()


def _have(program: str, base: Path | None, service: Service) -> None:
    """Use the daemon that is up, or start one below `base`; or tell why there is none."""
    if _answers(program, Path(os.environ.get(PIPES) or DEFAULT_PIPES)):
        service.tell("MPS: the daemon that is up already is used")
        service.active = True
    elif base is None:
        service.tell(f"MPS was not started (its folder in {_root()} belongs to somebody else): {LOST}")
    else:
        service.folder = base / mark()
        fault = _start(program, service.folder)
        if fault:
            service.tell(f"MPS was not started ({fault}): {LOST}")
        else:
            service.active, service.variables = True, _variables(service.folder)


def _roots() -> list[Path]:
    """Where folders of daemons may lie: the user's own, which the system clears at log-out, or of temporary files."""
    own = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(own)] if own else []), Path(tempfile.gettempdir()), Path("/tmp")]


def _root() -> Path:
    """The first of them that can be written and is short enough for a socket's path."""
    for root in _roots():
        if os.access(root, os.W_OK) and len(os.fsencode(_below(root) / mark())) <= _LONGEST:
            return root
    return Path("/tmp")


def _below(root: Path) -> Path:
    return root / f"noisy-label-bench-mps-{os.getuid()}"


def _base() -> Path | None:
    """The folder of this user's daemons; None where it cannot be had for this user alone."""
    base = _below(_root())
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        status = base.lstat()
    except OSError:
        return None
    return base if base.is_dir() and not base.is_symlink() and status.st_uid == os.getuid() else None


def _stop_orphans(program: str, base: Path) -> None:
    with contextlib.suppress(OSError):  # there is none, or another command is at the same
        for folder in base.iterdir() if base.stat().st_uid == os.getuid() else []:
            if is_orphan(folder.name):
                _stop(program, folder)


def _variables(folder: Path) -> dict[str, str]:
    return {PIPES: str(folder / "pipe"), LOGS: str(folder / "log")}


def _answers(program: str, pipes: Path) -> bool:
    """Whether a control daemon listens in the folder `pipes`."""
    return pipes.is_dir() and _ask(program, pipes, "get_server_list")


def _ask(program: str, pipes: Path, question: str) -> bool:
    """Send the daemon a command; whether it took it."""
    try:
        answer = subprocess.run(
            [program], input=f"{question}\n", env={**os.environ, PIPES: str(pipes)}, text=True, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=STOP_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _start(program: str, folder: Path) -> str:
    """Start a daemon; returns the reason where that failed. What it says goes into a file, as it keeps that open."""
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)  # a command that ended just now may have removed it
        folder.mkdir(mode=0o700)
        for part in ("pipe", "log"):
            (folder / part).mkdir()
        said = folder / "said.txt"
        # the numbers in this variable would be those of a daemon that has it too, counted anew
        environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        with said.open("w") as stream:
            status = subprocess.run(
                [program, "-d"], env={**environment, **_variables(folder)}, stdin=subprocess.DEVNULL,
                check=False, stdout=stream, stderr=subprocess.STDOUT, timeout=START_SECONDS, start_new_session=True,
            ).returncode  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as fault:
        return str(fault)
    if status:
        lines = said.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"{PROGRAM} -d ended with status {status}"
    return "" if _answers(program, folder / "pipe") or _processes(folder) else "its daemon does not answer"


def _processes(folder: Path) -> list[int]:
    """The daemon of the folder and its server, known by their environment."""
    mark, process_ids = f"{PIPES}={folder / 'pipe'}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            ours = any(Path(os.fsdecode(word)).name.startswith("nvidia-cuda-mps") for word in arguments[:2])
            if ours and mark in (process / "environ").read_bytes().split(b"\0"):
                process_ids.append(int(process.name))
    return process_ids


def _stop(program: str, folder: Path) -> None:
    """End the daemon of the folder with its server, and remove the folder."""
    if (folder / "pipe").is_dir():
        _ask(program, folder / "pipe", "quit")
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            for process in _processes(folder) if number else []:
                with contextlib.suppress(OSError):
                    os.kill(process, number or 0)
            end = time.monotonic() + STOP_SECONDS / 3
            while (left := _processes(folder)) and time.monotonic() < end:
                time.sleep(0.05)
            if not left:
                break
    shutil.rmtree(folder, ignore_errors=True)
