"""Frames of runs as `results.aggregate.runs` makes them, for tests of statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd


def runs_of(values: dict[str, dict[tuple[str, str], list[float]]], start: int = 0) -> pd.DataFrame:
    """method -> (data set, setting) -> one value a seed."""
    rows = [
        (dataset, setting, method, method.upper(), method, start + seed, f"{dataset}{setting}{start + seed}", value)
        for method, cells in values.items()
        for (dataset, setting), found in cells.items()
        for seed, value in enumerate(found)
    ]
    return pd.DataFrame(rows, columns=["dataset", "setting", "method", "title", "name", "seed", "fingerprint", "value"])


def many_runs(methods: dict[str, float], settings: int, datasets: int, seeds: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    places = [(f"set{s % datasets}", f"setting {s}") for s in range(settings)]
    levels = {place: 0.6 + 0.02 * s for s, place in enumerate(places)}
    return runs_of({
        method: {place: [level + shift + rng.normal(0, 0.005) for _ in range(seeds)] for place, level in levels.items()}
        for method, shift in methods.items()
    })  # fmt: skip
