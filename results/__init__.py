"""Records of runs, their store and the frame made of them, aggregation, statistics, and published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["curves", "load"]


def load(path: Path | str) -> pd.DataFrame:
    """One row a record; `results.frame` documents the columns. Raises results.store.StoreError.

    `path`: a store such as `output`, its `records` folder, a .jsonl file, or a folder of .jsonl files such as
    `results/reference`.
    """
    from results import frame  # pandas takes a third of a second: not for those who only want an address

    return frame.load(path)


def curves(path: Path | str) -> pd.DataFrame:
    """One row a point of a curve: address, epoch, quantity, value. Raises results.store.StoreError."""
    from results import frame

    return frame.curves(path)
