"""Files of a store: written whole, kept from others meanwhile, and what is wrong with the disk told in one line."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from common import files
from results.record import StoreError

_LEFT_OVER_SECONDS = 24 * 60 * 60
_PLAIN_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EIO: "the disk reports an input/output error",
}


@contextlib.contextmanager
def storage(path: Path, action: str) -> Iterator[None]:
    """Turn an OSError of the block into a StoreError: `cannot ACTION PATH: the disk is full`."""
    try:
        yield
    except OSError as fault:
        words = _PLAIN_WORDS.get(fault.errno or 0, fault.strerror or str(fault))
        raise StoreError(f"cannot {action} {path}: {words}") from fault


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed processes: those too old for anybody to be writing them still."""
    oldest = time.time() - _LEFT_OVER_SECONDS
    with contextlib.suppress(OSError):  # they only take room
        for path in folder.glob(".*.tmp"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def replace_file(target: Path, content: bytes) -> None:
    """Write `target` whole or not at all; the last writer wins. Raises StoreError when storage is at fault."""
    with storage(target, "write"), files.written(target) as stream:
        stream.write(content)


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep other processes from `target` during the block: those that ask for the same lock wait until it is over.

    The lock belongs to an open file, `.NAME.lock` beside `target`, so that a killed process loses it at once; the file
    stays. Where the folder takes no lock (its file system has none, or it is read-only), the block is executed without.
    """
    descriptor = None
    try:
        with contextlib.suppress(OSError):  # the lock only guards against others; what is wrong, the writing tells
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(target.parent / f".{target.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
