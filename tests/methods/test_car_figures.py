"""The figures of docs/car.md: what is drawn is what the page derives, and what the records hold."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from command_line import HOME

TOOL = HOME / "tools" / "draw_car.py"
_spec = importlib.util.spec_from_file_location("draw_car", TOOL)
assert _spec is not None and _spec.loader is not None
draw_car = importlib.util.module_from_spec(_spec)
sys.modules["draw_car"] = draw_car
_spec.loader.exec_module(draw_car)


@pytest.mark.parametrize("penalty", draw_car.PENALTIES)
def test_curves_are_the_derived_ones(penalty: float) -> None:
    p = draw_car.PROBABILITY
    best = np.minimum(1, penalty / ((1 + penalty) * (1 - p)))
    np.testing.assert_allclose(draw_car.best_confidence(penalty), best, atol=1e-9)
    tail = np.log(1 + penalty) - penalty * np.log(penalty / (1 + penalty)) + penalty * np.log(1 - p)
    np.testing.assert_allclose(draw_car.loss(penalty), np.where(best < 1, tail, -np.log(p)), atol=1e-9)


def test_the_committed_figures_are_those_that_are_drawn() -> None:
    drawn = {path.name for path in draw_car.files()}
    assert drawn == {path.name for path in draw_car.FOLDER.glob("car-*.svg")}, "stale: run `python tools/draw_car.py`"
    page = (TOOL.parent.parent / "docs" / "car.md").read_text(encoding="utf-8")
    assert all(f"figures/{name}" in page for name in drawn)
