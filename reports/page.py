"""The pages of a report: the leaderboard first, a page for each suite, and one of all runs.

Each page is one file that needs no other file and no network; links lead from one to the next.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.figure_style import GRID, INK, PAPER, Drawn
from reports.latex import latex
from reports.leaderboard import Board
from reports.model import TONE_MARKS, Table, percent
from reports.names import fit
from reports.page_parts import Row, in_parts, rows_of, with_rows
from reports.page_policy import policy, script_data
from reports.page_runs import packed
from reports.render import markdown

TEMPLATES = Path(__file__).parent / "templates"
INDEX, COMPARISON = "index.html", "compare-runs.html"
LARGEST_PAGE, LARGEST_DRAWING = 3_000_000, 1_000_000
"""Bytes. A page over the one is split; of a drawing over the other the page shows an image."""
ENLARGED = 1.2
"""The page shows figures larger than paper does."""
_LIVE_COLORS = {INK: "currentColor", GRID: "var(--grid)", PAPER: "var(--paper)"}
_ALWAYS = ("page.js",)
_LINKS = 10_000
"""Bytes that are left for links to the other parts."""
Write = Callable[..., str]
"""Template, its scripts, tables, chapter and whatever it shows -> HTML."""
_LIBRARY = ("uplot/uPlot.min.css", "uplot/uPlot.iife.min.js")


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it. drawing: its SVG, or its image where that is too large. styles: contents of the
    style elements in the SVG."""

    name: str
    title: str
    caption: str
    drawing: Markup
    styles: tuple[str, ...] = ()

    @property
    def is_image(self) -> bool:
        return self.drawing.startswith("<img")


@dataclass
class Chapter:
    """A page on one suite: its main tables and curves stand open, the rest is folded.

    curves: what the page draws itself, of `reports.page_curves`.
    """

    name: str
    title: str
    about: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    warned: str = "The order of methods depends on the selection rule"
    tables: list[Table] = field(default_factory=list)
    appendix: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    curves: dict[str, Any] | None = None

    @property
    def file(self) -> str:
        return f"{self.name}.html"

    def part(self, what: str, number: int) -> str:
        """Where a part of its figures or further tables (`what`) is if its page would be too large with them."""
        return f"{what}{'' if number == 1 else f'-{number}'}-{self.name}.html"


Named = TypeVar("Named", Picture, Table)


def picture(drawn: Drawn, files: Mapping[str, bytes]) -> Picture:
    """The figure's SVG made fit to stand in a page: own identifiers, and colours that follow light and dark.

    files: by suffix, of `figure_style.rendered`. Of an SVG over `LARGEST_DRAWING` the page shows the PNG instead.
    """
    label = escape(drawn.title)
    if len(files["svg"]) > LARGEST_DRAWING:
        data = base64.b64encode(files["png"]).decode()
        image = Markup(f'<img alt="{label}" src="data:image/png;base64,{data}">')
        return Picture(drawn.name, drawn.title, drawn.caption, image)
    svg = files["svg"].decode("utf-8")
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    prefix = f"{fit(drawn.name)}-"  # fit for an attribute, whatever the figure was called
    body = re.sub(r'\b(id="|url\(#|href="#)', lambda match: match[1] + prefix, body)
    for color, live in _LIVE_COLORS.items():
        body = body.replace(color, live)
    styles = tuple(re.findall(r"<style[^>]*>(.*?)</style>", body, flags=re.DOTALL))
    width = ENLARGED * drawn.figure.get_figwidth()
    opening = f'<svg role="img" aria-label="{label}" style="width: {width:.2f}in" '
    return Picture(drawn.name, drawn.title, drawn.caption, Markup(body.replace("<svg ", opening, 1)), styles)


def write_pages(
    title: str, boards: Sequence[Board], chapters: Sequence[Chapter], about_all: Sequence[Table],
    runs: Sequence[Mapping[str, Any]], provenance: Sequence[tuple[str, str]], warnings: Sequence[str],
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """Name and HTML of each page.

    about_all: tables about all runs. runs: what a number's dialog shows of each run (address, label, suite, seed, spec,
    results, execution). provenance: name and text. warnings: what the first page must say of the records.
    """
    write = _writer(title, chapters, runs)
    yield INDEX, write("index.html", (*_ALWAYS, "board.js"), boards=boards, provenance=provenance, warnings=warnings)
    for chapter in chapters:
        yield from _chapter_pages(chapter, write)
    yield from _runs_pages(about_all, runs, write)


def _chapter_pages(chapter: Chapter, write: Write) -> Iterator[tuple[str, str]]:
    """The chapter on one page; where that is too large, its figures and further tables on others, in parts."""
    whole = write("chapter.html", _ALWAYS, [*chapter.tables, *chapter.appendix], chapter=chapter, apart={})
    if len(whole.encode()) <= LARGEST_PAGE:
        yield chapter.file, whole
        return

    def figures(pictures: Sequence[Picture]) -> str:
        return write("figures.html", _ALWAYS, chapter=chapter, pictures=pictures)

    def tables(shown: Sequence[Table]) -> str:
        return write("tables.html", _ALWAYS, shown, chapter=chapter)

    apart: dict[str, dict[str, str]] = {"figures": {}, "tables": {}}
    pages: list[tuple[str, str]] = []
    pages += _parted(chapter.pictures, figures, partial(chapter.part, "figures"), apart["figures"])
    pages += _parted(chapter.appendix, tables, partial(chapter.part, "tables"), apart["tables"])
    yield chapter.file, write("chapter.html", _ALWAYS, chapter.tables, chapter=chapter, pictures=[], apart=apart)
    yield from pages


def _parted(
    pieces: Sequence[Named], render: Callable[[Sequence[Named]], str], file: Callable[[int], str], where: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """The pages of some figures or tables; `where` is filled with the page of each, by name."""
    for number, part in enumerate(in_parts(pieces, lambda some: len(render(some).encode()), LARGEST_PAGE), 1):
        if part:
            where |= {piece.name: file(number) for piece in part}
            yield file(number), render(part)


def _runs_pages(
    about_all: Sequence[Table], runs: Sequence[Mapping[str, Any]], write: Write
) -> Iterator[tuple[str, str]]:
    """All runs on one page that also compares two; where that is too large in parts, and the comparison by itself."""
    whole = write("runs.html", (*_ALWAYS, "diff.js"), about_all, parts=[], number=1, compares=True)
    if len(whole.encode()) <= LARGEST_PAGE:
        yield _runs_file(1), whole
        return

    def render(rows: Sequence[Row], parts: Sequence[tuple[str, int, int]] = (), number: int = 1) -> str:
        shown = with_rows(about_all, rows)
        return write(
            "runs.html", _ALWAYS, shown, parts=parts, number=number, compares=False, comparison_file=COMPARISON
        )

    divided = in_parts(rows_of(about_all), lambda rows: len(render(rows).encode()) + _LINKS, LARGEST_PAGE)
    ends = list(accumulate(map(len, divided)))
    parts = [
        (_runs_file(n), end - len(part) + 1, end) for n, (part, end) in enumerate(zip(divided, ends, strict=True), 1)
    ]
    for number, part in enumerate(divided, 1):
        yield _runs_file(number), render(part, parts, number)
    compared = [{**run, "results": {}, "execution": {}, "command": ""} for run in runs]
    yield COMPARISON, write("compare.html", (*_ALWAYS, "diff.js"), shown=compared)


def _runs_file(number: int) -> str:
    return "runs.html" if number == 1 else f"runs-{number}.html"


def _writer(title: str, chapters: Sequence[Chapter], runs: Sequence[Mapping[str, Any]]) -> Write:
    """What renders a template: with its scripts, its tables, and the runs behind them."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"marks": TONE_MARKS, "percent": percent, "title": title, "chapters": chapters}

    def write(
        name: str, scripts: Iterable[str], tables: Iterable[Table] = (), chapter: Chapter | None = None,
        pictures: Sequence[Picture] | None = None, shown: Sequence[Mapping[str, Any]] | None = None, **given: Any,
    ) -> str:  # fmt: skip
        tables = list(tables)
        shown = _behind(tables, runs) if shown is None else shown
        position = {run["address"]: number for number, run in enumerate(shown)}
        data: dict[str, Any] = {
            "packed": packed(shown),
            "colors": {live: fixed for fixed, live in _LIVE_COLORS.items()},
        }
        data["texts"] = {table.name: {"latex": latex(table), "markdown": markdown(table)} for table in tables}
        sheets, scripts = ["page.css"], list(scripts)
        if name == "chapter.html" and chapter is not None and chapter.curves is not None:
            data["curves"] = chapter.curves
            sheets, scripts = [*sheets, _LIBRARY[0]], [_LIBRARY[1], *scripts, "curves.js"]
        css, script = (_joined(files) for files in (sheets, scripts))
        if pictures is None:
            pictures = chapter.pictures if chapter is not None and name == "chapter.html" else []
        styles = [css, *(style for picture in pictures for style in picture.styles)]

        def positions(addresses: Iterable[str]) -> str:
            return " ".join(str(position[address]) for address in addresses if address in position)

        return environment.get_template(name).render(
            policy=policy(script, styles), data=script_data(data), css=Markup(css), script=Markup(script),
            positions=positions, chapter=chapter, tables=tables, pictures=pictures, **given,
        )  # fmt: skip

    return write


def _behind(tables: Iterable[Table], runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The runs behind the tables' numbers."""
    wanted = {address for table in tables for row in table.rows for cell in row for address in cell.runs}
    return [run for run in runs if run["address"] in wanted]


def _joined(files: Iterable[str]) -> str:
    return "\n".join((TEMPLATES / name).read_text("utf-8") for name in files)
