"""Data sets that are published as files of known hashes in one archive: finding the files and proving them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from datasets.base import DataError


@dataclass(frozen=True)
class File:
    """One official file: its size in bytes, its MD5 (hex), and what it holds ("train", "test" or "names")."""

    name: str
    size: int
    md5: str
    part: str


@dataclass(frozen=True)
class Layout:
    """Where a data set's files lie below the data directory, and the archive they come in."""

    folder: str
    files: tuple[File, ...]
    url: str
    archive_md5: str


def _command(name: str, root: Path) -> str:
    return f"run `python run_benchmark.py data fetch {name} --data {root}`"


def locate(name: str, layout: Layout, root: Path) -> Path:
    """The folder of the data set's files: below `root`, or `root` itself. Raises DataError where there is none."""
    below = root / layout.folder
    if below.is_dir():
        return below
    if any((root / file.name).is_file() for file in layout.files if file.part != "test"):
        return root
    raise DataError(f"{name}: not found under {root}: {_command(name, root)}; its files go to {below}")


def check(layout: Layout, folder: Path) -> dict[str, str | None]:
    """For each official file, in `folder`: what is wrong with it in a few words, or None."""
    return {file.name: _fault(file, _read(folder / file.name)) for file in layout.files}


def _read(path: Path) -> bytes | str:
    """The file's bytes, or what keeps it from being read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _fault(file: File, content: bytes | str) -> str | None:
    if isinstance(content, str):
        return content
    if len(content) < file.size:
        return f"is truncated ({len(content):,} of {file.size:,} bytes)"
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != file.md5:
        return "has the wrong MD5 (not the official file)"
    return None


def verified(name: str, layout: Layout, folder: Path, file: File) -> bytes:
    """The bytes of an official file. Raises DataError where it is not that."""
    path = folder / file.name
    content = _read(path)
    wrong = _fault(file, content)
    if wrong is not None or isinstance(content, str):
        root = folder.parent if folder.name == layout.folder else folder
        raise DataError(f"{path} {wrong}: {_command(name, root)}; the files of {name} go to {folder}")
    return content


def verify(name: str, layout: Layout, root: Path) -> None:
    """Raise the DataError of `verified` where an official file is missing or another; makes no images of them."""
    folder = locate(name, layout, root)
    for file in layout.files:
        verified(name, layout, folder, file)
