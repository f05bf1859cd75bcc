"""One comparison that has all at once what authors' comparisons have one by one: its figures and tables can be read.

Two data sets, titles that are equal, long, or of any letters, a row without one of its runs, rows that tie everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from figure_boxes import faults, tell_rows_apart
from latex_tables import compile_tables, tables_of

from reports import drawing, figures
from reports.figure_page import HIGHEST, Page
from reports.figure_style import house_style
from reports.figure_texts import settable
from reports.gather import Section, gather, sections
from results.record import address
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec

LONG = "Early-learning regularisation, penalty 4, cosine (ours)"
TITLES = {
    "cross_entropy": "ELR",
    "elr": "ELR",
    "gce": LONG,
    "sce": "~~Café~~ $q$, β ≠ ½",
    "twin": "ELR (σ = 0.7)",
    "car": "方法",
}
DATASETS = ("digits", "cifar10")
RATES = (0.1, 0.2, 0.3, 0.4, 0.6)
WIDTHS = {"84mm": 84 / 25.4, "174mm": 174 / 25.4}


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Section:
    root = tmp_path_factory.mktemp("all-at-once")
    store, specs = Store(root), []
    for dataset in DATASETS:
        for rate in RATES:
            for row in TITLES:
                specs.append(make_spec(row, "symmetric", rate, 0, dataset=dataset, epochs=3))
                if (row, dataset, rate) != ("gce", "digits", 0.4):
                    store.publish(_record(specs[-1]), {})
    store.write_plan(make_plan(specs, titles=TITLES))
    return next(sections(gather(root)))


def _record(spec: dict[str, Any]) -> dict[str, Any]:
    """A record of the row; "twin" has the hits of "sce"."""
    if spec["method"]["name"] != "twin":
        return make_record(spec, size=40)[0]
    record, _ = make_record({**spec, "method": {**spec["method"], "name": "sce"}}, size=40)
    return {**record, "spec": spec, "address": address(spec)}


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_its_figures_can_be_read(section: Section, width: float, recwarn: pytest.WarningsRecorder) -> None:
    with house_style(drawing.drawn_texts([section]), Page(width)):
        drawn = list(figures.draw(section))
        for each in drawn:
            settable(each.figure)
            assert faults(each.figure) == [], each.name
            tell_rows_apart(each)
            assert each.figure.get_figwidth() == width and each.figure.get_figheight() <= HIGHEST
    names = {each.name for each in drawn}
    assert "quick-critical-difference" in names and {name for name in names if name.startswith("quick-noise-rate")}
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("points", [239, 495])
def test_its_tables_can_be_set(
    section: Section, points: float, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    made = tables_of(section)
    assert len(made) > 8
    compile_tables(tmp_path, made, points, two=True)
    firsts = [tuple(cell.text for cell in row[:1]) for row in made[0].rows]
    assert len(set(firsts)) == len(firsts), "rows are told apart"
    assert [str(warning.message) for warning in recwarn] == []
