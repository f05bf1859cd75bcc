"""Titles and rows as authors write them: long, alike, of any letters, many. What is measured is the texts' boxes."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from figure_boxes import faults

from reports import figure_overview, figure_ranks
from reports.build import build_report
from reports.drawing import drawn_texts
from reports.figure_noise_rate import noise_rate
from reports.figure_style import house_style, rendered
from reports.figure_texts import labels_of, lacking, settable, whole_titles
from reports.gather import Section, gather, sections
from results.ranks import CriticalDifference
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec

LONG = "Early-learning regularisation, penalty 4, cosine (ours)"
TITLES = {"cross_entropy": "ELR", "elr": "ELR", "gce": LONG, "sce": "~~Café~~ $q$, β ≠ ½, 方法一"}


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Section:
    root = tmp_path_factory.mktemp("titles")
    store, specs = Store(root), []
    for row in TITLES:
        for rate in (0.2, 0.4):
            specs.append(make_spec(row, "symmetric", rate, 0, epochs=3))
            store.publish(*make_record(specs[-1], size=40))
    store.write_plan(make_plan(specs, titles=TITLES))
    return next(sections(gather(root)))


def test_equal_titles_have_the_rows_name(section: Section) -> None:
    assert list(section.methods.values())[:2] == ["ELR (cross_entropy)", "ELR (elr)"]
    assert "ELR (elr)" in set(section.cells["title"]) and "ELR" not in set(section.runs["title"])


def test_texts_neither_overlap_nor_are_cut(section: Section) -> None:
    with house_style(drawn_texts([section])):
        for draw in (figure_overview.accuracy, noise_rate, figure_overview.cost):
            drawn = draw(section)
            assert drawn is not None
            settable(drawn.figure)
            assert faults(drawn.figure) == []
            told = whole_titles(drawn.figure, section.methods)
            assert LONG in told and "…" in told


@pytest.mark.parametrize("count", [3, 31, 60])
def test_a_critical_difference_diagram_of_many_rows_can_be_read(count: int) -> None:
    ranks = {f"m{n}": 1 + (count - 1) * n / (count - 1) for n in range(count)}
    titles = {row: f"{LONG} {row}" for row in ranks}
    found = CriticalDifference(ranks, titles, count / 2, (tuple(ranks)[:2],), 0.01, 12)
    with house_style():
        drawn = figure_ranks.critical_difference("many", found, "last")
        assert faults(drawn.figure) == []
        assert len(set(labels_of(titles).values())) == count


def test_a_letter_that_no_font_has_is_no_box(section: Section) -> None:
    with house_style():  # without a word on the texts, no font is looked for
        assert lacking("方法 β") == {"方", "法"}
        assert labels_of({"row": "方法"}) == {"row": "row"}


def test_a_users_matplotlibrc_has_no_influence(section: Section) -> None:
    files = []
    for settings in ({}, {"text.usetex": True, "savefig.bbox": "tight", "font.size": 30, "figure.dpi": 40}):
        with mpl.rc_context(settings), house_style():
            drawn = figure_overview.accuracy(section)
            assert drawn is not None
            files.append(rendered(drawn))
    assert files[0] == files[1]


def test_what_cannot_be_set_is_one_line(section: Section, tmp_path: Path) -> None:
    summary = build_report(section.material.source.path, tmp_path / "report")
    (line,) = [warning for warning in summary.warnings if warning.startswith("LaTeX tables:")]
    assert "方法一" in line and "\n" not in line
    content = (tmp_path / "report" / "tables" / "quick-accuracy.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") and "\u2212".encode() not in content
