"""A run's checkpoint: tensors and plain Python scalars in one file, replaced atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from common import files


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` so that a kill at any instant, or a fault, leaves the old file or the new one.

    Raises OSError, or torch's RuntimeError, where it can't be written.
    """
    with files.written(path) as stream:
        torch.save(state, stream)


def load(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The state, or None where there is no checkpoint. A file that cannot be read is removed: the run starts anew."""
    if not path.exists():
        return None
    try:
        state: Any = torch.load(path, map_location=device, weights_only=True)
    except Exception:
        # Whatever is wrong with the file (cut short, another format), it is only a shortcut: without it the run gives
        # the same record.
        state = None
    if isinstance(state, dict):
        return state
    path.unlink(missing_ok=True)
    return None
