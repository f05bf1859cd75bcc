"""The pages of a suite and of all runs, as text and in a browser: self-contained, no console error, sort, filter, open
specifications. The leaderboard and the curves are in test_leaderboard_page.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reports.build import build_report, chapter
from reports.commands import Commands
from reports.gather import gather, sections
from reports.leaderboard import boards
from reports.page import write_pages
from reports.page_policy import script_data
from reports.provenance import run_details, runs_table
from results.store import Store
from tests.browser import ENTER, ESCAPE, Browser, browser, missing
from tests.synthetic_records import make_plan, make_record, make_spec, make_store

NASTY = '<script>alert("x")</script> & </script>'


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of one small suite."""
    root = tmp_path_factory.mktemp("page")
    make_store(root, skip=[("elr", "symmetric 50%", 2)], size=60, epochs=5)
    return build_report(root, root / "report").index


class _Outline(HTMLParser):
    """Attributes that load something, and identifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.identifiers: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.identifiers += [found["id"] or ""] if "id" in found else []
        if tag == "a":
            self.links.append(found.get("href") or "")
        elif tag in ("script", "img", "link", "iframe", "image", "use"):
            self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_a_page_needs_no_other_file_and_its_links_lead_somewhere(report: Path) -> None:
    outlines: dict[str, _Outline] = {}
    for page in sorted(report.parent.glob("*.html")):
        text = page.read_text("utf-8")
        outline = outlines[page.name] = _Outline()
        outline.feed(text)
        assert all(value.startswith(("data:", "#")) for value in outline.loaded)
        assert "@import" not in text
        assert not re.search(r"url\((?!#|data:)", text)
        assert len(set(outline.identifiers)) == len(outline.identifiers)
    assert list(outlines) == ["index.html", "runs.html", "suite-quick.html"]
    for name, outline in outlines.items():
        for link in outline.links:
            file, _, anchor = link.partition("#")
            assert not anchor or anchor in outlines[file or name].identifiers, link
            assert (file or name) in outlines, link


def test_the_pages_hold_no_host_and_no_path(report: Path) -> None:
    for page in report.parent.glob("*.html"):
        text = page.read_text("utf-8")
        assert '"host"' not in text
        assert str(report.parent.parent) not in text


def test_names_from_records_are_escaped(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = make_spec("elr", "symmetric", 0.5, 0, epochs=3)
    record, arrays = make_record(spec, size=40)
    record["titles"]["method"] = record["titles"]["dataset"] = NASTY
    store.publish(record, arrays)
    store.write_plan(make_plan([spec], titles={"elr": NASTY}) | {"title": NASTY, "description": NASTY})
    found = list(sections(gather(tmp_path)))
    part, board = chapter(found[0]), boards(found[0], "suite-x", {})
    pages = write_pages(
        NASTY, board, [part], [runs_table(found)], run_details(found, Commands(found)), [("a", NASTY)], [NASTY]
    )
    for name, text in pages:
        assert "<script>alert" not in text, name
        assert text.count("</script>") == 2, name
        assert text.count("&lt;script&gt;alert") > 4, name


def test_data_cannot_end_its_script() -> None:
    assert "<" not in script_data({"a": NASTY})
    with pytest.raises(ValueError, match="Out of range float"):
        script_data({"a": float("nan")})


@pytest.fixture(scope="module")
def page(report: Path) -> Iterator[Browser]:
    """The report in a browser."""
    if reason := missing():
        pytest.skip(reason)
    with browser() as opened:
        opened.resize(1300, 900)
        opened.open(report.with_name("suite-quick.html"))
        yield opened


_COLUMN = """
const table = document.querySelector('#table-quick-accuracy table');
return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[arguments[0]].textContent.trim());
"""
_HEAD = "return document.querySelectorAll('#table-quick-accuracy th')[arguments[0]]"


def test_no_console_error(page: Browser) -> None:
    assert page.complaints() == []
    assert page.run("return document.querySelectorAll('figure svg').length") > 5


def test_tables_sort(page: Browser) -> None:
    before = page.run(_COLUMN, 1)
    page.run(f"{_HEAD}.querySelector('button').click()", 1)
    falling = page.run(_COLUMN, 1)
    assert page.run(f"{_HEAD}.getAttribute('aria-sort')", 1) == "descending"
    numbers = [float(text.split(" ")[0]) for text in falling]
    assert numbers == sorted(numbers, reverse=True)
    page.run(f"{_HEAD}.querySelector('button').click()", 1)
    assert page.run(_COLUMN, 1) == falling[::-1]
    page.run(f"{_HEAD}.querySelector('button').click()", 0)
    names = page.run(_COLUMN, 0)
    assert names == sorted(names, key=str.casefold)
    assert sorted(before) == sorted(falling)


def test_tables_filter(page: Browser) -> None:
    typed = """
    const search = document.querySelector('#table-quick-accuracy input');
    search.value = arguments[0];
    search.dispatchEvent(new Event('input'));
    return document.querySelector('#table-quick-accuracy .none').hidden;
    """
    assert page.run(typed, "co-TEACH") is True
    assert page.run(_COLUMN, 0) == ["Co-teaching"]
    assert page.run(typed, "no such method") is False
    assert page.run(_COLUMN, 0) == []
    page.run(typed, "")
    assert len(page.run(_COLUMN, 0)) == 4


def test_a_number_opens_its_specification(page: Browser) -> None:
    page.run("document.querySelector('#table-quick-accuracy button.runs').focus()")
    page.press(ENTER)
    assert page.run("return document.getElementById('runs-dialog').open") is True
    text = page.run("return document.querySelector('#dialog-body pre.spec').textContent")
    spec = page.run("return JSON.parse(arguments[0])", text)
    assert spec["dataset"]["name"] == "digits"
    assert spec["noise"]["rate"] == 0.5
    assert spec["seed"] == [0, 1, 2]
    page.press(ESCAPE)
    assert page.run("return document.getElementById('runs-dialog').open") is False
    assert page.run("return document.activeElement.classList.contains('runs')") is True


def test_copies_latex_and_markdown(page: Browser) -> None:
    page.run("document.querySelector('#table-quick-accuracy [data-copy=latex]').click()")
    assert page.run("return JSON.parse(document.getElementById('data').textContent).texts['quick-accuracy'].latex"
                    ).startswith("% needs")  # fmt: skip
    deadline = 50
    while not (said := page.run("return document.getElementById('status').textContent")) and deadline:
        deadline -= 1
    assert said == "LaTeX copied"


def test_two_runs_are_compared(page: Browser, report: Path) -> None:
    page.open(report.with_name("runs.html"))
    rows = "return [...document.querySelectorAll('#diff-table tbody tr')].map((row) => row.cells[0].textContent)"
    choose = """
    for (const [name, value] of [['diff-first', 0], ['diff-second', arguments[0]]]) {
      const select = document.getElementById(name);
      select.value = String(value);
      select.dispatchEvent(new Event('change'));
    }
    """
    page.run(choose, 1)
    names = page.run(rows)
    assert names and set(names) <= {"seed", "method.name", "noise.model", "noise.rate", "method.hyper",
                                    "method.hyper.momentum"}  # fmt: skip
    page.run(choose, 0)
    assert page.run(rows) == []
    assert page.run("return document.getElementById('diff-none').hidden") is False


def test_light_and_dark(page: Browser, report: Path) -> None:
    page.open(report.with_name("suite-quick.html"))
    color = "return getComputedStyle(document.body).backgroundColor"
    first = page.run(color)
    page.run("document.getElementById('theme').click()")
    second = page.run(color)
    assert first != second
    ink = page.run("return getComputedStyle(document.querySelector('figure svg text')).fill")
    assert ink == page.run("return getComputedStyle(document.body).color")
    page.run("document.getElementById('theme').click()")
    assert page.run(color) == first


def test_a_store_without_runs_still_has_a_page(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_plan(make_plan([make_spec("elr", "symmetric", 0.5, 0)]))
    assert gather(tmp_path).records == {}
    index = build_report(tmp_path, tmp_path / "report").index
    assert "1 not started" in index.with_name("suite-quick.html").read_text("utf-8")
    assert "not started" in index.read_text("utf-8")
