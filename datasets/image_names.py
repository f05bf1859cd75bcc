"""Finding the files that a list names: the same file under its one name, however the list spells it."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_UNUSUAL = re.compile(r"//|/$|(^|/)\.(/|$)")  # what a path of the disk does not have
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def fault_of(name: str) -> str | None:
    """Why a name cannot be that of a file below the list's folder, or None."""
    if not name:
        return "no path"
    if name[0] in "/\\" or (name[1:2] == ":" and _DRIVE.match(name)):
        return "an absolute path"
    if ".." in name and ".." in re.split(r"[\\/]", name):
        return "a path that leaves the folder"
    return None


class Finder:
    """The files below a folder. Each directory is listed once; nothing is opened.

    Names are spelt as the disk has them: without "./" and "//", in the disk's own form of accents, with slashes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, tuple[frozenset[str], dict[str, str]]] = {}
        self._folders: dict[str, str | None] = {"": ""}

    def _entries(self, folder: str) -> tuple[frozenset[str], dict[str, str]]:
        """The names in a directory, and those that are not composed (NFC), by their composed form."""
        if folder not in self._listed:
            try:
                names = frozenset(os.listdir(self.folder / folder))  # noqa: PTH208 (names, not paths)
            except (OSError, ValueError):
                names = frozenset()
            composed = {unicodedata.normalize("NFC", name): name for name in names if not name.isascii()}
            self._listed[folder] = names, composed
        return self._listed[folder]

    def _below(self, folder: str, name: str) -> str | None:
        names, composed = self._entries(folder)
        actual = name if name in names else composed.get(unicodedata.normalize("NFC", name))
        return None if actual is None else posixpath.join(folder, actual)

    def _folder(self, name: str) -> str | None:
        """The directory of that name on the disk."""
        if name not in self._folders:
            directory: str | None = name
            if not os.path.isdir(self.folder / name):  # noqa: PTH112 (never raises)
                directory = ""
                for part in name.split("/"):
                    directory = None if directory is None else self._below(directory, part)
            self._folders[name] = directory
        return self._folders[name]

    def find(self, name: str) -> str | None:
        """The name on the disk of what is called `name` in a list (one without a fault); None: it is not there."""
        for spelt in (name, name.replace("\\", "/")) if "\\" in name else (name,):
            if _UNUSUAL.search(spelt):
                spelt = posixpath.normpath(spelt)
            above, _, last = spelt.rpartition("/")
            folder = self._folder(above)
            on_disk = None if folder is None else self._below(folder, last)
            if on_disk is not None:
                return on_disk
        return None

    def count(self, names: Iterable[str]) -> int:
        """How many of the names are there."""
        return sum(self.find(name) is not None for name in names)


def plain(name: str) -> str:
    """How a name is spelt whose file is not there."""
    return posixpath.normpath(name.replace("\\", "/"))
