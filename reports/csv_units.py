"""The numbers of tables in CSV files: plain ones, and one unit for each name."""

from __future__ import annotations

import pandas as pd

POINTS = ("difference", "other_difference", "low", "high")
"""Columns of fractions that files hold in points, under the name with `_points`."""


def data_of(table: pd.DataFrame) -> tuple[list[str], list[list[object]]]:
    """Header and rows of a table of statistics: differences and their intervals in points (1 point: 0.01)."""
    scaled = table.assign(**{name: (100 * table[name].astype(float)).round(6) for name in POINTS if name in table})
    names = [f"{name}_points" if name in POINTS else str(name) for name in table.columns]
    return names, scaled.to_numpy(dtype=object).tolist()
