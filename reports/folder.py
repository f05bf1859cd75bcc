"""The folder of a report: what is written there, and what an earlier report left."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from reports.errors import ReportError

MANIFEST = "files.json"
SUFFIXES = frozenset({".html", ".md", ".tex", ".csv", ".svg", ".pdf", ".png"})


@dataclass
class Folder:
    """Files written below `root`, by name; the manifest lists them, so that a later report can remove them."""

    root: Path
    written: list[str] = field(default_factory=list)

    def write(self, name: str, content: str | bytes) -> None:
        """Write one file; `name` is relative to the folder. Raises ReportError with one line."""
        path = self.root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        except OSError as fault:
            raise ReportError(f"cannot write {path}: {fault.strerror or fault}") from None
        self.written.append(name)

    def tidy(self) -> None:
        """Remove what an earlier report wrote here and this one did not; then write the manifest."""
        try:
            earlier = json.loads((self.root / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            earlier = []
        home = self.root.resolve()
        for name in earlier if isinstance(earlier, list) else []:
            stale = self.root / str(name)
            if name not in self.written and stale.suffix in SUFFIXES and stale.resolve().is_relative_to(home):
                stale.unlink(missing_ok=True)
        self.write(MANIFEST, json.dumps(sorted({*self.written, MANIFEST}), indent=0) + "\n")
