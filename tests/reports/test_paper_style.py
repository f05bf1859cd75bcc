"""`report --style paper`: figures and tables at the size at which they are printed, measured in the PDFs themselves."""

from __future__ import annotations

import itertools
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import HOME
from figure_boxes import faults, tell_rows_apart
from pypdf import PdfReader

from reports import drawing, figure_parts, figure_style, figures
from reports.errors import ReportError
from reports.figure_page import HIGHEST, Page
from reports.figure_style import house_style
from reports.figure_texts import settable
from reports.gather import Section, gather, sections
from reports.latex import LATEX_PACKAGES
from reports.print_style import Printed, inches_of
from results.ranks import CriticalDifference
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec

WIDTHS = {"84mm": 84 / 25.4, "174mm": 174 / 25.4}
QUICK = HOME / "results" / "reference" / "quick.jsonl"
LONG = "Early-learning regularisation, penalty 4, cosine (ours)"


@pytest.fixture(scope="module", params=list(WIDTHS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A width, and what the reference records of `quick` give at it."""
    from bench.api import functions

    out = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "84mm":
            patch.setattr(figure_style, "SUFFIXES", ("pdf",))  # the other forms are of the same pictures
        summary = functions.report(QUICK, out / "paper", printed=Printed(request.param))
    assert [line for line in summary.warnings if "selection rule" not in line] == []
    return request.param, summary.index


def _sizes(page: Any) -> dict[float, str]:
    """Size of text on paper in points -> some text of that size."""
    found: dict[float, str] = {}

    def see(text: str, outer: list[float], inner: list[float], _font: object, size: float) -> None:
        if text.strip():
            scales = [math.sqrt(abs(each[0] * each[3] - each[1] * each[2])) for each in (outer, inner)]
            found.setdefault(round(size * scales[0] * scales[1], 3), text)

    page.extract_text(visitor_text=see)
    return found


def test_pages_have_the_width_and_texts_the_size(made: tuple[str, Path]) -> None:
    width, folder = made
    files = sorted((folder / "figures").glob("*.pdf"))
    assert {"quick-accuracy", "quick-memorisation"} <= {re.sub(r"-\d$", "", file.stem) for file in files}
    for file in files:
        (page,) = PdfReader(file).pages
        assert float(page.mediabox.width) == pytest.approx(72 * WIDTHS[width], abs=0.01), file.name
        assert float(page.mediabox.height) <= 72 * HIGHEST + 0.01, file.name
        sizes = _sizes(page)
        assert sizes and min(sizes) >= 7 and max(sizes) <= 9, (file.name, sizes)


def test_each_figure_has_its_forms_its_numbers_and_its_float(made: tuple[str, Path]) -> None:
    width, folder = made
    names = {file.stem for file in (folder / "figures").iterdir()}
    for name in names:
        found = {file.suffix for file in (folder / "figures").glob(f"{name}.*")}
        assert found == {".pdf", ".csv", ".tex"} | ({".svg", ".png"} if width == "84mm" else set()), name
    assert not (folder / "index.html").exists()


def test_tables_and_figures_compile_without_an_overfull_box(made: tuple[str, Path]) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (texlive-latex-recommended)")
    width, folder = made
    parts = [
        file.read_text("utf-8") for place in ("tables", "figures") for file in sorted((folder / place).glob("*.tex"))
    ]
    assert not any("resizebox" in part or "scalebox" in part for part in parts)
    packages = "".join(rf"\usepackage{{{name}}}" for name in (*LATEX_PACKAGES, "graphicx"))
    kind = "twocolumn" if width == "84mm" else "onecolumn"
    packages += r"\usepackage[textwidth=174mm,textheight=230mm,columnsep=6mm]{geometry}"
    head = rf"\documentclass[{kind}]{{article}}{packages}"
    body = "\n".join(f"{part}\\clearpage" for part in parts)
    (folder / "all.tex").write_text(
        rf"{head}\graphicspath{{{{figures/}}}}\begin{{document}}{body}\end{{document}}", "utf-8"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    bad = ("Overfull", "too large for page", "Missing character")
    assert [line for line in done.stdout.splitlines() if any(word in line for word in bad)] == []


# ---- small stores as authors make them -------------------------------------------------------------------------------


def _section(
    root: Path, titles: dict[str, str], rates: tuple[float, ...] = (0.2, 0.4), samples: bool = False
) -> Section:
    store, specs = Store(root), []
    for row in titles:
        for rate in rates:
            specs.append(make_spec(row, "symmetric", rate, 0, epochs=3))
            record, arrays = make_record(specs[-1], size=40)
            store.publish(record, arrays if samples and rate == rates[0] else {})
    store.write_plan(make_plan(specs, titles=titles))
    return next(sections(gather(root)))


AUTHORS = {
    "titles": {"cross_entropy": "ELR", "elr": "ELR", "gce": LONG, "sce": f"{LONG} b"},
    "twelve-rows": {f"elr_{n}": f"ELR, variant {n}" for n in range(12)},
}


@pytest.mark.parametrize(
    ("name", "width"),
    [("titles", None), ("titles", WIDTHS["84mm"]), ("titles", WIDTHS["174mm"]), ("twelve-rows", WIDTHS["84mm"])],
)
def test_nothing_is_cut_or_overprinted_and_no_two_rows_look_alike(
    name: str, width: float | None, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    section = _section(tmp_path, AUTHORS[name], samples=name == "titles")
    with house_style(drawing.drawn_texts([section]), Page(width)):
        drawn = list(figures.draw(section))
        for each in drawn:
            settable(each.figure)
            assert faults(each.figure) == [], each.name
            assert width is None or each.figure.get_figwidth() == width
            tell_rows_apart(each)
    names = {re.sub(r"-\d$", "", each.name) for each in drawn}
    assert {"quick-accuracy", "quick-cost", "quick-noise-rate"} <= names
    assert name != "titles" or {"quick-samples", "quick-scores", "quick-detection"} <= names
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("count", [3, 13, 31, 60])
def test_rank_figures_of_any_number_of_rows(count: int, width: float) -> None:
    ranks = {f"m{n}": 1.0 + n for n in range(count)}
    titles = {row: f"{LONG} {row}" for row in ranks}
    rows = list(ranks)
    groups = tuple(tuple(rows[n : n + 3]) for n in range(0, count - 2, 4))
    found = CriticalDifference(ranks, titles, 2.5, groups, 0.01, 12)
    with house_style((), Page(width)):
        names = []
        for drawn in figures.rank_figures("", found, "last", []):
            names.append(drawn.name)
            assert faults(drawn.figure) == [], drawn.name
            assert drawn.figure.get_figwidth() == width and drawn.figure.get_figheight() <= HIGHEST
            shown = drawn.data["mean_rank"].tolist()
            assert set(shown) <= set(ranks.values()) and sorted(shown) == shown
    assert ("critical-difference" in names) == (count < 60 or width > 4)
    assert {"mean-ranks", "mean-ranks-1"} & set(names)


def test_a_figure_higher_than_a_page_is_divided(tmp_path: Path) -> None:
    """By settings, then by rows; rows look in the parts as in the whole."""
    section = _section(tmp_path, {f"m{n:02}": f"Method number {n:02}, variant b" for n in range(60)}, (0.2,))
    with house_style((), Page(WIDTHS["84mm"])):
        parts = figure_parts.in_parts(section, figures.overview.cost)
        assert len(parts) > 1
        assert [part.name for part in parts] == [f"quick-cost-{n}" for n in range(1, len(parts) + 1)]
        looks = [(line.get_color(), line.get_marker(), line.get_fillstyle())
                 for part in parts for legend in part.figure.legends for line in legend.get_lines()]  # fmt: skip
        assert len(looks) == 60 and len(set(looks)) == 60
        assert [title for part in parts for title in part.data["title"]] == list(section.methods.values())
        assert all(part.figure.get_figheight() <= HIGHEST and faults(part.figure) == [] for part in parts)


def test_curves_of_many_rows_are_divided_by_rows(tmp_path: Path) -> None:
    """A part has the lines of its own rows alone, though the whole was drawn before it from the same means."""
    section = _section(tmp_path, {f"m{n:02}": f"Method number {n:02}, variant b" for n in range(60)}, (0.2,))
    with house_style((), Page(WIDTHS["84mm"])):
        parts = [each for each in figures.draw(section) if each.name.startswith("quick-test-accuracy")]
        told = [title for each in parts for title in dict.fromkeys(each.data["title"])]
        assert 1 < len(parts) < 10 and told == list(section.methods.values())
        assert all(each.figure.get_figheight() <= HIGHEST and faults(each.figure) == [] for each in parts)


# ---- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "84", "mm", "-84mm", "84 km", "1e3mm", "59mm", "401mm", "nanmm", "84mm174mm"])
def test_a_width_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ReportError, match=r"^--width .*: accepted: 60mm to 400mm") as caught:
        Printed(text)
    assert "\n" not in str(caught.value)


def test_widths_in_any_unit() -> None:
    assert [inches_of(text) for text in ("84mm", "8.4 cm", "239.003pt", "3.3071IN")] == pytest.approx(
        [84 / 25.4] * 4, 1e-4
    )
    assert 238.9 <= Printed("84mm").points <= 239.003


def test_options_that_make_no_sense_are_refused_in_one_line(refused: Callable[..., str]) -> None:
    for arguments, told in [
        (["--width", "84mm"], "--width is for papers: add --style paper"),
        (["--order", "method"], "--order is for papers"),
        (["--style", "papre"], "unknown style 'papre'; did you mean 'paper'?"),
        (["--style", "paper"], "add --width LENGTH"),
        (["--style", "paper", "--width", "84"], "accepted: 60mm to 400mm"),
        (["--style", "paper", "--width", "84mm", "--caption", "text"], "accepted: TABLE=TEXT"),
        (["--style", "paper", "--width", "84mm", "--column", "nosuch"], "unknown column 'nosuch'"),
        (["--style", "paper", "--width", "84mm", "--decimals", "9"], "accepted: 0 to 4"),
    ]:
        assert told in refused("report", "--records", QUICK, "--out", "nothing", *arguments)


def test_pairs_of_the_legend_are_told_apart_at_all(tmp_path: Path) -> None:
    """What `tell_rows_apart` is to find is found."""
    section = _section(tmp_path, AUTHORS["titles"])
    with house_style():
        drawn = figures.overview.cost(section)
        assert drawn is not None
        first, second = itertools.islice(drawn.figure.legends[0].get_lines(), 2)
        second.update_from(first)
        with pytest.raises(AssertionError):
            tell_rows_apart(drawn)
