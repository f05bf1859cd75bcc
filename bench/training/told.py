"""The epochs of a run that goes on, a line each, for those who follow it; they are no part of its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.epochs import values_of


class Told:
    """Writes the epochs of a run to a file. One that cannot be written ends no run, and is written no more."""

    def __init__(self, path: Path | None) -> None:
        """path: None where nobody follows."""
        self._path, self._mode = path, "w"

    def epoch(self, curves: Mapping[str, Any]) -> None:
        """Tell the last epoch; the first time all of them, as of a run that was cut off and goes on."""
        if self._path is None:
            return
        epochs = curves["epoch"] if self._mode == "w" else curves["epoch"][-1:]
        lines = (json.dumps({"epoch": epoch, "values": values_of(curves, epoch)}) + "\n" for epoch in epochs)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open(self._mode, encoding="ascii") as stream:
                stream.write("".join(lines))
        except OSError:
            self._path = None
        self._mode = "a"
