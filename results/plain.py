"""Plain JSON that others wrote: read from regular files of a bounded size, refused where no tool could handle it."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.record import StoreError

MOST_BYTES = 256 * 2**20
"""A larger file of records, plan or manifest isn't read: the largest that the suite writes has a tenth of it."""
DEEPEST = 40
"""Levels of a record's or plan's nesting; what the suite writes has ten."""
LONGEST_TEXT = 10_000
NAME = re.compile(r"\w[\w.-]{0,99}")
"""A name that may stand in identifiers and, once made fit, in the names of files."""
_LARGEST_INTEGER = 2**63
_SHOWN = 60


def shown(value: Any) -> str:
    """A value as a message shows it: escaped, and cut where it is long."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def is_name(text: Any) -> bool:
    """Whether a text is a name: letters, digits, "_", "-" and ".", of which the last two do not lead."""
    return isinstance(text, str) and NAME.fullmatch(text) is not None


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file. Raises OSError; StoreError for a pipe, a device, a folder or a file too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe without a writer would wait
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"{path}: not a regular file")
        if status.st_size > most:
            raise StoreError(f"{path}: {status.st_size} bytes are too many (at most {most} are read)")
        return stream.read(most)


def parse(text: str | bytes, where: str) -> dict[str, Any]:
    """A JSON object from its text. Raises StoreError naming `where` when it is empty, cut short or no plain object."""
    if not text.strip():
        raise StoreError(f"{where}: the file is empty (cut short while it was written or copied?)")
    try:
        value = json.loads(text)
    except RecursionError:
        raise StoreError(f"{where}: nested deeper than {DEEPEST} levels") from None
    except (ValueError, UnicodeDecodeError) as fault:
        raise StoreError(f"{where}: no valid JSON, perhaps cut short: {fault}") from None
    if not isinstance(value, dict):
        raise StoreError(f"{where}: holds a JSON {type(value).__name__}, not an object")
    check_plain(value, where)
    return value


def check_plain(value: Any, where: str, key: str = "", depth: int = 0) -> None:
    """Raises StoreError naming `where` and the key of what is nested too deeply, of a number that is not finite or too
    large for 64 bits, and of a text that is too long or no Unicode (a lone surrogate)."""
    if depth > DEEPEST:
        raise StoreError(f"{where}: nested deeper than {DEEPEST} levels")
    if isinstance(value, dict):
        for name, part in value.items():
            inner = f"{key}.{name}" if key else str(name)
            if not isinstance(name, str) or not _is_text(name):
                raise StoreError(f"{where}: key {shown(inner)} is no plain text")
            check_plain(part, where, inner, depth + 1)
    elif isinstance(value, list):
        numbers = set(map(type, value)) <= {float, type(None)}  # by far the most of a record
        if numbers and all(part is None or math.isfinite(part) for part in value):
            return
        for position, part in enumerate(value):
            check_plain(part, where, f"{key}[{position}]", depth + 1)
    elif isinstance(value, str):
        if not _is_text(value):
            raise StoreError(f"{where}: key {shown(key)} is {shown(value)}, which is no plain text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise StoreError(f"{where}: key {shown(key)} is {value}, not a finite number")
    elif isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        raise StoreError(f"{where}: key {shown(key)} is a number of more than 64 bits")


def _is_text(text: str) -> bool:
    if len(text) > LONGEST_TEXT:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def lookup(record: Mapping[str, Any], key: str) -> Any:
    """What stands in a record at a path like "final.ece"; None where there is nothing."""
    value: Any = record
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
