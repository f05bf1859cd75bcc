"""Where and how specifications are executed, as far as that is no part of them; importing it needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common import files


@dataclass(frozen=True)
class Environment:
    """Where and how a specification is executed: nothing here is part of its address, nothing changes its result."""

    store: Path
    data: Path | None
    device: str = "cpu"
    plugins: tuple[Path, ...] = ()
    noise_files: Mapping[str, Path] = field(default_factory=dict)  # by the hash that a specification gives
    checkpoint_seconds: float = 30.0  # at least this long between two checkpoints; 0: one every epoch
    skip_broken: bool = False  # leave out broken images; the specification's hash of the data says which
    workers: int = 0  # processes that read image files for one run
    capture: str = "auto"  # training steps as captured graphs: "auto" on an accelerator, "off", "trace" (for tests)
    stall_seconds: float = 0.0  # a run that does not advance for so long is ended; 0: none is
    redo: bool = False  # a record whose method's source is another now is replaced
    tell_epochs: bool = False  # write each epoch as a line (see `bench.training.told`)
    weights: Path | None = None  # ImageNet weights; None: from torchvision's cache


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and what killed processes have left of their attempts to write it."""
    for file in (path, *files.left_over(path)):
        file.unlink(missing_ok=True)
