"""The folder of a report: what is written there, and what an earlier report left."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reports.errors import ReportError
from results.plain import read_regular
from results.record import StoreError
from results.storage import replace_file

MANIFEST = "files.json"
_OURS = re.compile(
    r"[\w.-]{1,200}\.html|tables/[\w.-]{1,200}\.(md|tex|csv)|figures/[\w.-]{1,200}\.(svg|pdf|png|csv|tex)", re.ASCII
)
_MOST_BYTES = 2**30


@dataclass
class Folder:
    """Files written below `root`, by name, and the digest of each; the manifest lists them, so that a later report can
    remove them."""

    root: Path
    written: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, content: str | bytes) -> None:
        """Write one file whole or not at all; `name` is relative to the folder, as reports name their files.

        What has the name is replaced, a link itself and not what it leads to. Raises ReportError with one line, also
        where the file would not lie in the folder, or something stands there that is no file.
        """
        if name != MANIFEST and _OURS.fullmatch(name) is None:
            raise ReportError(f"{name!r} is no name of a report's file")
        path = self.root / name
        if not _within(path.parent, self.root):
            raise ReportError(f"cannot write {path}: {path.parent} leads out of the report's folder")
        if path.exists() and not path.is_file() and not path.is_symlink():
            raise ReportError(f"cannot write {path}: what is there is not a regular file")
        encoded = content.encode("utf-8") if isinstance(content, str) else content
        try:
            replace_file(path, encoded)
        except StoreError as fault:
            raise ReportError(str(fault)) from None
        self.written[name] = hashlib.sha256(encoded).hexdigest()

    def tidy(self) -> None:
        """Remove what an earlier report wrote here and this one did not; then write the manifest.

        A file is an earlier report's only where it has the digest that the manifest gives: what somebody has changed,
        or put in its place, stays.
        """
        for name, digest in self._earlier().items():
            stale = self.root / name
            if name in self.written or _OURS.fullmatch(name) is None or not _within(stale.parent, self.root):
                continue
            try:
                if not stale.is_symlink() and hashlib.sha256(read_regular(stale, _MOST_BYTES)).hexdigest() == digest:
                    stale.unlink()
            except (OSError, StoreError):
                continue  # gone, or no file of ours
        self.write(MANIFEST, json.dumps(self.written, indent=0, sort_keys=True) + "\n")

    def _earlier(self) -> dict[str, Any]:
        """The manifest of an earlier report; empty where there is none that can be read."""
        try:
            earlier = json.loads(read_regular(self.root / MANIFEST))
        except (OSError, StoreError, ValueError, RecursionError):
            return {}
        return earlier if isinstance(earlier, dict) else {}


def _within(folder: Path, root: Path) -> bool:
    """Whether a folder lies in the report's, all links followed."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root))
