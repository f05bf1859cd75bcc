"""The files that hold resized copies of images: how they are called, and which hold copies of which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

PACK = 500  # images in a file


def path(copies: Path, resize: int, number: int) -> Path:
    """One pack. copies: how a split's packs are called; resize: the images' shorter side in pixels."""
    return copies.with_name(f"{copies.name}.{resize}.{number:06}.pack")


def forget(copies: Path, numbers: npt.NDArray[np.int64]) -> None:
    """Remove the packs that hold copies of these images, as the images have changed since. Raises OSError."""
    for number in np.unique(numbers // PACK).tolist():
        for pack in copies.parent.glob(f"{copies.name}.*.{number:06}.pack"):
            pack.unlink(missing_ok=True)
