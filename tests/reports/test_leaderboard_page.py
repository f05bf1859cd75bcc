"""The first page of a report and the curves of a suite's, in a browser: small, filtered, read, dark, on a phone."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports import figure_overview, figure_style, figures, page, provenance
from reports.badges import Badge
from reports.build import build_report
from reports.commands import Commands
from reports.gather import Section, gather, sections
from reports.leaderboard import Board, MethodFacts, boards, in_order
from reports.page_runs import packed
from results.store import Store
from tests.browser import Browser, browser, missing
from tests.results.test_health import MEASURED
from tests.synthetic_records import make_plan, make_record, make_specs, make_store

METHODS = ("cross_entropy", "co_teaching", "elr", "mixup")
FACTS = {
    "cross_entropy": MethodFacts(1989, "baseline"), "co_teaching": MethodFacts(2018, "sample selection"),
    "elr": MethodFacts(2020, "regularisation"), "mixup": MethodFacts(2018, "regularisation"),
}  # fmt: skip
SCREEN = 1080
PLANTED = {"collapsed": {"epoch": 2, "reason": "planted"}, "first_above_chance": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets; ELR collapsed once and lacks a run, mixup lacks a setting and deviates from its paper."""
    root = tmp_path_factory.mktemp("board")
    specs = [
        spec for name in ("digits", "letters") for spec in make_specs(METHODS, seeds=range(4), dataset=name, epochs=3)
    ]
    plan = make_plan(specs)
    for cell in plan["cells"]:
        if cell["method"] == "mixup":
            cell["deviations"] = ["another schedule"]
    found = Store(root)
    found.write_plan(plan)
    for spec in specs:
        place = spec["method"]["name"], spec["dataset"]["name"], spec["noise"]["rate"], spec["seed"]
        if place[:3] == ("mixup", "letters", 0.4) or place == ("elr", "letters", 0.5, 3):
            continue
        record, arrays = make_record(spec, size=40)
        if place == ("elr", "digits", 0.4, 0):
            record["health"] = {**MEASURED, **PLANTED}
        found.publish(record, arrays)
    return root


@pytest.fixture(scope="module")
def index(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_style, "SUFFIXES", ("svg",))
        patch.setattr(figures, "draw", lambda section: iter([figure_overview.accuracy(section)]))
        return build_report(store, tmp_path_factory.mktemp("out") / "report", methods=FACTS).index


@pytest.fixture(scope="module")
def section(store: Path) -> Section:
    (found,) = sections(gather(store))
    return found


@pytest.fixture(scope="module")
def found(section: Section) -> list[Board]:
    """The suite's boards: of all data sets, and of each."""
    return boards(section, "suite-quick", FACTS)


def test_one_run_is_one_run(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr"], seeds=range(1), size=40, epochs=2)
    (section,) = sections(gather(tmp_path))
    assert {cell.hint for cell in boards(section, "suite-quick", {})[0].entries[0].cells} == {"1 run"}


def test_a_board_says_what_is_known_of_each_row(section: Section, found: list[Board]) -> None:
    every, digits, letters = found
    assert every.datasets == ("Digits", "letters") and len(every.settings) == 4 and digits.settings == letters.settings
    rows = {entry.row: entry for entry in digits.entries}
    assert [entry.place.place for entry in digits.entries if entry.place] == [1, 2, 3, 4]
    worst = digits.entries[-1]
    assert worst.row == "cross_entropy" and worst.place is not None
    assert (worst.place.low, worst.place.high) == (4, 4)  # all others are significantly better
    assert rows["co_teaching"].told == "told" and rows["mixup"].told == "helped" and rows["elr"].told == ""
    assert {badge.text for badge in rows["co_teaching"].badges} == {"ensemble", "noise rate"}
    assert Badge("deviates", "not the published procedure: another schedule", "deviates") in rows["mixup"].badges
    assert "† 1 collapsed" in {badge.text for badge in rows["elr"].badges}
    assert any(cell.text.endswith("†") for cell in rows["elr"].cells)
    lacking = next(entry for entry in every.entries if entry.row == "mixup")
    assert lacking is every.entries[-1]
    assert (lacking.place, lacking.unranked, lacking.runs) == (None, "lacks runs in some setting", "0–4")
    assert lacking.cells[-1].text == "– (4 not started)"
    short = next(entry for entry in every.entries if entry.row == "elr")
    assert short.place is not None and short.runs == "3–4"
    assert [cell.text.endswith("(3 of 4)") for cell in short.cells] == [False, False, True, False]
    assert any(note == "Not ranked, lacks runs in some setting: mixup." for note in every.notes)
    mean = section.runs[section.runs["method"] == "elr"].groupby(["dataset", "setting"])["value"].mean().mean()
    assert next(entry for entry in every.entries if entry.row == "elr").mean == pytest.approx(mean)


def test_a_reproduction_has_a_board_without_ranks(tmp_path: Path) -> None:
    specs = make_specs(("elr",), seeds=[0], epochs=2)
    store = Store(tmp_path)
    store.write_plan(make_plan(specs, purpose="reproduce"))
    for spec in specs:
        store.publish(*make_record(spec, size=20))
    (section,) = sections(gather(tmp_path))
    (board,) = boards(section, "suite-quick", {})
    assert not board.ranked and [entry.place for entry in board.entries] == [None]
    assert any("nothing is ranked" in note for note in board.notes)
    (text,) = (html for name, html in page.write_pages("x", [board], [], [], [], [], []) if name == "index.html")
    assert "<thead>" in text and "interval" not in re.sub(r"<style>.*?</style>|<script.*", "", text, flags=re.DOTALL)


def test_runs_that_are_alike_are_told_once() -> None:
    shared = {"network": "cnn", "lr": [0.1, 0.2]}
    runs: list[dict[str, Any]] = [
        {"address": f"a{seed}", "spec": {**shared, "seed": seed}, "results": {"rule": 0.5}, "execution": {}}
        for seed in range(3)
    ]
    del runs[1]["spec"]["lr"]
    found = packed(runs)
    assert found["values"].count("cnn") == 1 and found["values"].count([0.1, 0.2]) == 1
    assert found["runs"][1]["spec"][found["keys"]["spec"].index("lr")] == -1
    spec = {
        key: found["values"][place] for key, place in zip(found["keys"]["spec"], found["runs"][2]["spec"], strict=True)
    }
    assert spec == runs[2]["spec"]


def test_the_library_is_the_one_that_its_page_names() -> None:
    folder = page.TEMPLATES / "uplot"
    told = re.findall(r"uPlot (\d+\.\d+\.\d+)", (folder / "README.md").read_text())
    assert f"(v{told[0]})" in (folder / "uPlot.iife.min.js").read_text()[:100]
    assert (folder / "LICENSE").read_text().startswith("The MIT License")


def test_two_pages_of_the_same_records_are_the_same(index: Path, found: list[Board]) -> None:
    first, again = ([*page.write_pages("x", found, [], [], [], [], [])] for _ in range(2))
    assert first == again
    text = index.with_name("suite-quick.html").read_text("utf-8")
    assert "NaN" not in re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]  # type: ignore[index]


def large(board: Board) -> list[Board]:
    """Boards of 60 rows in 12 settings, as large a comparison as is likely, over three data sets."""
    rows = tuple(
        replace(entry, title=f"{entry.title}, variant {number}", cells=entry.cells * 3)
        for number in range(15) for entry in board.entries
    )  # fmt: skip
    return [replace(board, name=f"b{n}", settings=board.settings * 3, entries=rows) for n in range(3)]


# ---- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    if reason := missing():
        pytest.skip(reason)
    with browser() as found:
        yield found


@pytest.fixture
def board(opened: Browser, index: Path) -> Browser:
    opened.show(1280, SCREEN)
    opened.open(index)
    return opened


@pytest.fixture
def suite(opened: Browser, index: Path) -> Browser:
    opened.show(1280, SCREEN)
    opened.open(index.with_name("suite-quick.html"))
    return opened


_HEIGHT = "return document.documentElement.scrollHeight"
_ROWS = """
return [...document.querySelectorAll('details.board[open] tbody tr')].filter((row) => !row.hidden)
  .map((row) => row.querySelector('th').firstChild.textContent.trim());
"""
_FILTER = """
const form = document.getElementById('filters');
form.reset();
for (const [name, value] of Object.entries(arguments[0])) {
  form.elements[name].value = value;
  if (form.elements[name].value !== value) throw new Error(`${name} has no ${value}`);
}
form.dispatchEvent(new Event('input'));
"""


def test_the_first_view_is_small(board: Browser, index: Path) -> None:
    assert index.stat().st_size < 3_000_000 and board.run(_HEIGHT) <= 3 * SCREEN
    assert board.complaints() == []
    assert board.run("return performance.getEntriesByType('resource').map((e) => e.name)") == []
    first = board.run("return document.querySelector('.board table').getBoundingClientRect().bottom")
    assert first < SCREEN  # the leaderboard is what is seen first


def test_a_large_store_has_a_small_first_page(opened: Browser, found: list[Board], tmp_path: Path) -> None:
    chapters = [
        page.Chapter(f"suite-{n}", f"A suite of many, number {n}", about=["720 of 720 runs"]) for n in range(20)
    ]
    pages = dict(page.write_pages("Results", large(found[0]), chapters, [], [], [("records", "1440")], ["w"] * 40))
    assert len(pages["index.html"].encode()) < 3_000_000
    (tmp_path / "index.html").write_text(pages["index.html"], "utf-8")
    opened.show(1280, SCREEN)
    opened.open(tmp_path / "index.html")
    assert opened.run(_HEIGHT) <= 3 * SCREEN
    # scrolled within the table, the names of rows and settings stay; down the page, the filters do
    at = "return document.querySelector(arguments[0]).getBoundingClientRect()[arguments[1]]"
    before = opened.run(at, ".board thead th.name", "top"), opened.run(at, ".board tbody th.name", "left")
    opened.run("document.querySelector('.board .scroll').scrollTo(3000, 500)")
    assert opened.run(at, ".board thead th.name", "top") == before[0]
    assert opened.run(at, ".board tbody th.name", "left") <= before[1]
    assert opened.run(at, ".board tbody th.name", "left") >= 0
    opened.run("scrollTo(0, 600)")
    assert 0 <= opened.run(at, "#filters", "top") < 100 and opened.run(at, "nav", "top") >= 0


def test_a_chapter_that_is_too_large_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    chapter = page.Chapter("suite-x", "X", pictures=[page.Picture("a", "A", "", page.Markup("<svg></svg>"))])
    whole = dict(page.write_pages("x", [], [chapter], [], [], [], []))
    assert "figures-suite-x.html" not in whole and "<figure" in whole["suite-x.html"]
    monkeypatch.setattr(page, "LARGEST_PAGE", 1000)
    apart = dict(page.write_pages("x", [], [chapter], [], [], [], []))
    assert "<figure" not in apart["suite-x.html"] and 'href="figures-suite-x.html#figure-a"' in apart["suite-x.html"]
    assert 'id="figure-a"' in apart["figures-suite-x.html"]


def _links_that_lead_nowhere(pages: dict[str, str]) -> list[str]:
    return [
        link for text in pages.values() for link in re.findall(r'<a href="([^"]+)"', text)
        if (file := link.partition("#")[0]) and file not in pages
    ]  # fmt: skip


def test_figures_and_tables_of_a_large_chapter_are_on_several_pages(
    monkeypatch: pytest.MonkeyPatch, section: Section
) -> None:
    drawing = page.Markup(f"<svg>{'x' * 60_000}</svg>")
    pictures = [page.Picture(f"p{number}", f"P{number}", "", drawing) for number in range(5)]
    rows = provenance.runs_table([section])
    appendix = [replace(rows, name=f"p{number}") for number in range(3)]  # as figures are called
    chapter = page.Chapter("suite-x", "X", pictures=pictures, appendix=appendix)
    monkeypatch.setattr(page, "LARGEST_PAGE", 220_000)
    pages = dict(page.write_pages("x", [], [chapter], [], [], [], []))
    assert max(len(text.encode()) for text in pages.values()) <= 220_000
    assert _links_that_lead_nowhere(pages) == []
    links = dict(re.findall(r'<a href="([^"]+)#((?:figure|table)-p\d)"', pages["suite-x.html"])[::-1])
    assert len(links) == len({file for file in pages if file.startswith(("figures", "tables"))}) >= 4
    for file, anchor in re.findall(r'<a href="([^"]+)#((?:figure|table)-p\d)"', pages["suite-x.html"]):
        assert f'id="{anchor}"' in pages[file]
    shown = [name for file, text in pages.items() for name in re.findall(r'id="figure-(p\d)"', text)]
    assert shown == [picture.name for picture in pictures]


@pytest.fixture
def many(section: Section, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Pages of runs that are too many for one."""
    table, runs = provenance.runs_table([section]), provenance.run_details([section], Commands([section]))
    whole = dict(page.write_pages("x", [], [], [table], runs, [], []))
    assert list(whole) == ["index.html", "runs.html"]
    monkeypatch.setattr(page, "LARGEST_PAGE", len(whole["runs.html"].encode()) // 2)
    return dict(page.write_pages("x", [], [], [table], runs, [], []))


def test_runs_that_are_too_many_for_a_page_are_on_several(section: Section, many: dict[str, str]) -> None:
    assert [*many] == ["index.html", "runs.html", *(f"runs-{n}.html" for n in range(2, len(many) - 1)), page.COMPARISON]
    assert max(len(text.encode()) for text in many.values()) <= page.LARGEST_PAGE
    assert _links_that_lead_nowhere(many) == []
    parts = [text for file, text in many.items() if file.startswith("runs")]
    rows = [re.findall(r'data-value="([0-9a-f]{64})"', text) for text in parts]
    assert [address for part in rows for address in part] == list(section.frame["address"])
    assert f"<strong>1 to {len(rows[0])}</strong>" in parts[0]
    for part, text in zip(rows, parts, strict=True):
        data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
        assert {run["address"] for run in data["packed"]["runs"]} == set(part)  # what the numbers there open


def test_any_two_runs_are_compared_on_a_page_of_their_own(
    opened: Browser, section: Section, many: dict[str, str], tmp_path: Path
) -> None:
    for name, text in many.items():
        (tmp_path / name).write_text(text, "utf-8")
    opened.open(tmp_path / page.COMPARISON)
    count = "return document.getElementById('diff-first').options.length"
    assert opened.run(count) == len(section.frame)
    assert opened.run("return document.querySelectorAll('#diff-table tbody tr').length") > 0
    opened.open(tmp_path / "runs-2.html")
    opened.run("document.querySelector('tbody button.runs').click()")
    told = opened.run("return document.getElementById('dialog-body').textContent")
    shown = opened.run("return document.querySelector('tbody td').dataset.value")
    assert shown[:16] in told and opened.complaints() == []


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({"text": "collapsed"}, ["ELR"]),
        ({"family": "regularisation"}, ["ELR", "mixup"]),
        ({"year": "2018"}, ["ELR", "Co-teaching", "mixup"]),
        ({"passes": "1.0"}, ["ELR", "mixup", "Cross-entropy"]),
        ({"told": "told"}, ["ELR", "mixup", "Cross-entropy"]),
        ({"told": "helped"}, ["ELR", "Cross-entropy"]),
        ({"text": "no such method"}, []),
        ({}, ["ELR", "Co-teaching", "mixup", "Cross-entropy"]),
    ],
)
def test_rows_are_filtered(board: Browser, chosen: dict[str, str], left: list[str]) -> None:
    board.run(_FILTER, chosen)
    assert sorted(board.run(_ROWS)) == sorted(left)
    assert board.run("return document.querySelector('.board[open] .none').hidden") is bool(left)
    assert (board.run("return document.getElementById('count').textContent") == "") is (not chosen)


def test_boards_are_filtered_by_data_set(board: Browser) -> None:
    board.run(_FILTER, {"dataset": "letters"})
    shown = "return [...document.querySelectorAll('details.board')].filter((one) => !one.hidden).map((one) => one.id)"
    assert board.run(shown) == ["suite-quick-board", "suite-quick-board-2"]


def test_the_board_sorts(board: Browser) -> None:
    before = board.run(_ROWS)
    board.run(
        "[...document.querySelectorAll('.board[open] button.sort')].find((one) => one.textContent === 'year').click()"
    )
    assert board.run(_ROWS)[0] == "ELR"
    board.run("document.querySelector('.board[open] button.sort').click()")
    assert board.run(_ROWS) == before


def test_a_curve_is_read_under_the_pointer(suite: Browser) -> None:
    assert suite.complaints() == []
    suite.run("document.getElementById('curves').scrollIntoView()")
    suite.hover("#chart .u-over")
    said = suite.run("return document.getElementById('reading').textContent")
    found = re.fullmatch(r"epoch (\d): (.+) (\d+\.\d\d), 95% interval (\d+\.\d\d) to (\d+\.\d\d)", said)
    assert found is not None, said
    data = json.loads(suite.run("return document.getElementById('data').textContent"))["curves"]
    panel = data["panels"][0]
    row = next(number for number, one in enumerate(data["rows"]) if one["title"] == found[2])
    line = next(line for line in panel["lines"] if line[0] == row)
    at = panel["epochs"].index(int(found[1]))
    assert [float(found[n]) for n in (3, 4, 5)] == [part[at] for part in line[1:]]
    beside = suite.run("return [...document.querySelectorAll('#curves-rows output')].map((one) => one.textContent)")
    assert beside == [f"{one[1][at]:.2f}" for one in panel["lines"]]
    suite.run("document.getElementById('chart').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))")
    assert suite.run("return document.getElementById('reading').textContent").startswith(f"epoch {int(found[1]) + 1}:")


def test_curves_are_chosen(suite: Browser) -> None:
    frame = "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    change = """
    const select = document.getElementById(arguments[0]);
    select.selectedIndex = arguments[1];
    select.dispatchEvent(new Event('change'));
    return select.options.length;
    """
    assert suite.run(change, "curves-place", 3) == 4 and suite.run(change, "curves-quantity", 2) == 5
    assert "wrong label" in suite.run("return document.getElementById('curves-quantity').value")
    assert suite.complaints() == []
    suite.run(change, "curves-place", 0)
    suite.run(change, "curves-quantity", 0)
    suite.run(frame)
    drawn = """
    const canvas = document.querySelector('#chart canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
      const away = [28, 126, 196].reduce((sum, value, part) => sum + Math.abs(data[i + part] - value), 0);
      found += away < 12 && data[i + 3] > 200;
    }
    return found;
    """  # pixels of ELR's blue
    assert suite.run(drawn) > 100
    suite.run("document.querySelector('[data-choose=none]').click()")
    suite.run(frame)
    assert suite.run(drawn) == 0
    suite.run(
        "[...document.querySelectorAll('#curves-rows label')].find((one) => one.textContent.startsWith('ELR')).click()"
    )
    suite.run(frame)
    assert suite.run(drawn) > 100


def test_dark_is_the_systems_until_the_reader_chooses(opened: Browser, index: Path) -> None:
    color = "return getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        opened.prefer(scheme)
        for name in ("index.html", "suite-quick.html"):
            opened.open(index.with_name(name))
            seen[scheme, name] = opened.run(color)
    assert len(set(seen.values())) == 2 and seen["dark", "index.html"] == seen["dark", "suite-quick.html"]
    opened.run("document.getElementById('theme').click()")
    assert opened.run(color) == seen["light", "index.html"]
    for _ in range(50):  # a browser under load takes a moment to keep the choice
        opened.open(index)
        if opened.run(color) == seen["light", "index.html"]:
            break
        time.sleep(0.1)
    assert opened.run(color) == seen["light", "index.html"]  # the choice holds on the other pages
    opened.run("localStorage.clear()")
    opened.prefer("light")


@pytest.mark.parametrize("name", ["index.html", "suite-quick.html", "runs.html"])
def test_nothing_is_wider_than_a_phone(opened: Browser, index: Path, name: str) -> None:
    opened.show(390, 844)
    opened.open(index.with_name(name))
    opened.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert opened.run("return [document.documentElement.scrollWidth, innerWidth]") == [390, 390]


def test_without_scripts_all_is_there(opened: Browser, index: Path) -> None:
    opened.scripts(False)
    try:
        opened.show(1280, SCREEN)
        opened.open(index.with_name("suite-quick.html"))
        # the driver's own scripts are no longer executed either: what is on the screen is asked of the tree
        tree = opened.visible_text()
        assert "These are drawn by a script; the figures below show the same." in tree
        assert "Accuracy by method" in tree and "ELR" in tree
        assert "Open all" not in tree and "As at first" not in tree
        opened.open(index)
        assert "regularisation" in (tree := opened.visible_text()) and "privileges" not in tree
    finally:
        opened.scripts(True)


def test_boards_that_rank_most_come_first(found: list[Board]) -> None:
    every, digits, _ = found
    small, none = [replace(digits, settings=digits.settings[:1])], [replace(every, ranked=False)]
    assert in_order([none, small, [every, digits]]) == [every, digits, *small, *none]
