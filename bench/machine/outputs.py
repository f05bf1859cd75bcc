"""Files that a command writes where the user says: never over what is not its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from common.errors import UserError
from results.plain import read_regular
from results.record import StoreError
from results.storage import replace_file

_MOST_BYTES = 2**30


def check_replaceable(path: Path, option: str, ours: Callable[[bytes], bool], force: bool) -> None:
    """Raises UserError unless nothing is at `path`, or a regular file that this command has written (`ours` knows by
    its content), or a regular file and `force`. Devices, pipes and links are never written over."""
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file():
        raise UserError(f"{option} {path}: what is there is not a regular file")
    if force:
        return
    with contextlib.suppress(OSError, StoreError):
        if ours(read_regular(path, _MOST_BYTES)):
            return
    raise UserError(f"{option} {path}: a file that this command has not written is there (--force replaces it)")


def write_output(path: Path, content: bytes, option: str) -> None:
    """Write the file whole or not at all. Raises UserError where storage is at fault."""
    try:
        replace_file(path, content)
    except StoreError as fault:
        raise UserError(f"{option}: {fault}") from None
