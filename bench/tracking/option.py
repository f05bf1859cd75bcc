"""`--track TOOL[:DIR]`: which trackers are told of the runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from common.errors import UserError, did_you_mean
from common.files import expanded

TOOLS = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic"), "wandb": ("wandb",)}
"""Name of a tracker -> the packages that it needs."""


@dataclass(frozen=True)
class Tracking:
    """A tracker, and where it writes: a folder, or a server's address."""

    tool: str
    place: str

    @property
    def is_address(self) -> bool:
        """Whether it writes to a server."""
        return "://" in self.place


def _one(text: str, out: Path) -> Tracking:
    tool, _, place = text.partition(":")
    accepted = f"accepted: {', '.join(TOOLS)}, each with :DIR or without"
    if tool not in TOOLS:
        raise UserError(f"--track {text!r}: unknown tracker {tool!r}{did_you_mean(tool, TOOLS)} ({accepted})")
    if any(find_spec(package) is None for package in TOOLS[tool]):
        raise UserError(f"--track {tool}: not installed: pip install 'noisy-label-bench[{tool}]'")
    if not place and text.endswith(":"):
        raise UserError(f"--track {text!r}: the folder is missing ({accepted})")
    tracking = Tracking(tool, place or str(out / tool))
    if tracking.is_address:
        if tool != "mlflow":
            raise UserError(f"--track {text!r}: {tool} writes into a folder; mlflow alone takes a server's address")
        return tracking
    folder = expanded(tracking.place).absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--track {text!r}: {folder} is a file, not a folder")
    return Tracking(tool, str(folder))


def chosen(texts: Collection[str], out: Path) -> tuple[Tracking, ...]:
    """The trackers of the texts "TOOL" or "TOOL:DIR"; without DIR in a folder of the store `out`.

    Raises UserError for one that is unknown, twice, or not installed.
    """
    trackers = tuple(_one(text, out) for text in texts)
    for number, one in enumerate(trackers):
        if one.tool in {other.tool for other in trackers[:number]}:
            raise UserError(f"--track {one.tool}: twice")
    return trackers
