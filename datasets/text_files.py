"""Opening the text files of users: byte order marks, UTF-16, any line ends; and what a file is that is no data file."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path
from typing import IO

from datasets.base import DataError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PROBED = 4096  # bytes
_WEB_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF",
}


def encoding_of(path: Path) -> str:
    """The encoding of a text file, by its byte order mark; without one UTF-8.

    Raises OSError; DataError where it is no regular file, or no text.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"{path}: no regular file")
    with path.open("rb") as stream:
        start = stream.read(_PROBED)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    if b"\0" in start:
        raise DataError(f"{path}: not a table of text: it holds zero bytes; save it as UTF-8")
    return "utf-8"


def opened(path: Path, newline: str | None = None) -> IO[str]:
    """The text of a file. Bytes that are no UTF-8 become lone surrogates, as in Python's names of files.

    Raises what `encoding_of` raises; reading raises UnicodeDecodeError where UTF-16 is broken.
    """
    encoding = encoding_of(path)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return path.open(encoding=encoding, errors=errors, newline=newline)


def is_decoded(text: str) -> bool:
    """Whether all of a text of `opened` was UTF-8."""
    return text.isprintable() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def has_controls(text: str) -> bool:
    """Whether a text holds what no name should: control characters, which terminals and XML take for something else."""
    return not text.isprintable() and any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in text)


def other_file(path: Path) -> str | None:
    """What a file is that stands where data should: empty, a web page and the like; None: not known. Raises OSError."""
    if not os.path.getsize(path):  # noqa: PTH202 (says the same of a link's target)
        return "the file is empty"
    with path.open("rb") as stream:
        start = stream.read(_PROBED)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_PAGES):
        return "it is a web page, not the file: download the file itself"
    for beginning, what in _OTHERS.items():
        if start.startswith(beginning):
            return f"it is {what}, not the file"
    return None
