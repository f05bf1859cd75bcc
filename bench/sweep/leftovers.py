"""What killed commands leave beside the store: semaphores, shared memory, folders of temporary files.

A command that ends clears up after itself. One that is killed together with all its processes cannot, so the next one
of the same user does it: what is removed carries the process that made it in its name, and that process is gone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import process
from pathlib import Path

from bench.machine.processes import process_start
from common.errors import UserError

SHARED_MEMORY = Path("/dev/shm")
LEAST_SHARED = 2**19  # bytes that a few runs at a time take of it
FOLDER = "nlb-"
_SHARED = re.compile(r"(?:sem\.loky-|torch_)(\d+)[-_]")
_YOUNGEST_SECONDS = 10.0
"""Nothing younger is removed. Containers may share /dev/shm and not their processes; there a semaphore whose process is
not to be seen may be in use, but its name is needed only until the processes that it is for have started."""
_LONGEST = 107 - len("/listener-12345678")  # of a folder: a socket's path has at most 107 bytes


def _namespace() -> str:
    """Which processes this one can see: a container that shares the folder sees others."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return "0"


def mark() -> str:
    """This process in a name: its number, its start time, and its namespace of processes."""
    return f"{os.getpid()}-{process_start(os.getpid()) or '0'}-{_namespace()}"


def is_orphan(name: str) -> bool:
    """Whether a name begins with the mark of a process of this machine that is gone."""
    pid, started, namespace = [*name.split("-", 3), "", ""][:3]
    return pid.isdigit() and namespace == _namespace() and process_start(int(pid)) != started


def remove() -> None:
    """Remove what killed commands of this user have left."""
    if process_start(os.getpid()) is None:
        return  # without /proc nobody can tell who lives
    for path in _entries(SHARED_MEMORY):
        named = _SHARED.match(path.name)
        with contextlib.suppress(OSError):  # somebody else was faster
            if named and process_start(int(named[1])) is None and _is_old_and_ours(path):
                path.unlink()
    for path in _entries(_temporary()):
        with contextlib.suppress(OSError):
            orphan = path.name.startswith(FOLDER) and is_orphan(path.name.removeprefix(FOLDER))
            if orphan and path.lstat().st_uid == os.getuid() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)


def check_room() -> None:
    """Raises UserError where shared memory has no room for the semaphores by which processes of a run meet."""
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return  # the system keeps them elsewhere
    if free < LEAST_SHARED:
        said = f"{SHARED_MEMORY} has {free / 2**10:,.0f} KiB free, and runs need {LEAST_SHARED // 2**10} KiB there"
        raise UserError(f"{said}: remove files from it, or give it more (a container's --shm-size)")


def _entries(folder: Path | None) -> list[Path]:
    try:
        return [] if folder is None else list(folder.iterdir())
    except OSError:
        return []


def _is_old_and_ours(path: Path) -> bool:
    status = path.lstat()
    return status.st_uid == os.getuid() and time.time() - status.st_mtime > _YOUNGEST_SECONDS


def _temporary() -> Path | None:
    """The folder of temporary files; None where none can be written."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None


@contextlib.contextmanager
def folder() -> Iterator[Path | None]:
    """A folder of this command for what its processes share, gone after the block; None where none can be had."""
    made = None
    with contextlib.suppress(OSError):
        made = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{mark()}-"))
    try:
        yield made
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        remove()  # what was too young when the command began


def use_folder(made: Path | None) -> None:
    """Let multiprocessing make its sockets there, in this process and those it starts.

    By itself it makes folders called pymp-*, which nobody could tell the owner of.
    """
    if made is not None and len(os.fsencode(made)) <= _LONGEST:
        process.current_process()._config["tempdir"] = str(made)  # type: ignore[attr-defined]
