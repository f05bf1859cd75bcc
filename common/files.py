"""Writing a file whole or not at all: beside its place first, then in one step under its name."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def expanded(path: str) -> Path:
    """The path with `~` written out; as it is where nobody knows that home, as of a user without an entry."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def beside(target: Path) -> Path:
    """A hidden name beside `target` that nobody else uses; it ends in `.tmp`, so that what a kill leaves is told."""
    return target.parent / f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"


def left_over(target: Path) -> Iterator[Path]:
    """What killed processes have left of their attempts to write `target`."""
    return target.parent.glob(f".{target.name}.*.tmp")


@contextlib.contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """A name beside `target`, whose folder is made, for a file or folder. What lies there at the end is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = beside(target)
    try:
        yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    with path.open("xb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def write(path: Path, content: bytes) -> None:
    """Write a new file, safely on disk. Raises OSError, also where it is there already."""
    with _new(path) as stream:
        stream.write(content)


@contextlib.contextmanager
def written(target: Path) -> Iterator[BinaryIO]:
    """A stream whose content is `target` after the block, safely on disk; the last writer wins.

    After an error, also one of the block, the old file is there as before. Raises OSError.
    """
    with temporary(target) as path:
        with _new(path) as stream:
            yield stream
        path.replace(target)
