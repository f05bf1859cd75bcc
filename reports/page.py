"""The page: everything of a report in one HTML file that needs no other file and no network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.figure_style import GRID, INK, PAPER, Drawn
from reports.model import Table
from reports.names import fit
from reports.render import TONE_MARKS, latex, markdown

TEMPLATES = Path(__file__).parent / "templates"
ENLARGED = 1.2
"""The page shows figures larger than paper does."""
_LIVE_COLORS = {INK: "currentColor", GRID: "var(--grid)", PAPER: "var(--paper)"}


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it. styles: contents of the style elements in its SVG."""

    name: str
    title: str
    caption: str
    svg: Markup
    styles: tuple[str, ...] = ()


@dataclass
class Chapter:
    """One suite of the page: its main tables stand open, its appendix is folded."""

    name: str
    title: str
    about: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    warned: str = "The order of methods depends on the selection rule"
    tables: list[Table] = field(default_factory=list)
    appendix: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def picture(drawn: Drawn, svg: str) -> Picture:
    """The figure's SVG made fit to stand in a page: own identifiers, and colours that follow light and dark."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    prefix = f"{fit(drawn.name)}-"  # fit for an attribute, whatever the figure was called
    body = re.sub(r'\b(id="|url\(#|href="#)', lambda found: found[1] + prefix, body)
    for color, live in _LIVE_COLORS.items():
        body = body.replace(color, live)
    label = escape(drawn.title)
    styles = tuple(re.findall(r"<style[^>]*>(.*?)</style>", body, flags=re.DOTALL))
    width = ENLARGED * drawn.figure.get_figwidth()
    opening = f'<svg role="img" aria-label="{label}" style="width: {width:.2f}in" '
    return Picture(drawn.name, drawn.title, drawn.caption, Markup(body.replace("<svg ", opening, 1)), styles)


def policy(script: str, styles: Iterable[str]) -> str:
    """The page's Content-Security-Policy: it executes this script alone, and asks the network for nothing.

    Style elements are named by their hash, too. Style attributes are allowed, as figures are made of them; they can
    fetch nothing, since images may only stand in the page itself.
    """
    hashes = " ".join(sorted({_hash(style) for style in styles}))
    return "; ".join([
        "default-src 'none'", f"script-src {_hash(script)}", f"style-src-elem {hashes}",
        "style-src-attr 'unsafe-inline'", "img-src data:", "base-uri 'none'", "form-action 'none'",
    ])  # fmt: skip


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def script_data(value: Any) -> Markup:
    """A value as JSON that may stand inside a script element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def write_page(
    title: str, chapters: Sequence[Chapter], tables: Sequence[Table], runs: Sequence[Mapping[str, Any]],
    provenance: Sequence[tuple[str, str]], warnings: Sequence[str],
) -> str:  # fmt: skip
    """The page's HTML.

    tables: those about all runs, after the chapters. runs: what a number's dialog shows of each run (address, label,
    suite, seed, spec, results, execution). provenance: name and text.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["marks"] = TONE_MARKS
    position = {run["address"]: number for number, run in enumerate(runs)}
    environment.filters["positions"] = lambda addresses: " ".join(
        str(position[address]) for address in addresses if address in position
    )
    every = [*(table for chapter in chapters for table in (*chapter.tables, *chapter.appendix)), *tables]
    texts = {table.name: {"latex": latex(table), "markdown": markdown(table)} for table in every}
    css, script = ((TEMPLATES / name).read_text("utf-8") for name in ("page.css", "page.js"))
    styles = [css, *(style for chapter in chapters for drawn in chapter.pictures for style in drawn.styles)]
    return environment.get_template("index.html").render(
        policy=policy(script, styles),
        title=title,
        chapters=chapters,
        tables=tables,
        provenance=provenance,
        warnings=warnings,
        data=script_data({"runs": list(runs), "texts": texts, "colors": {v: k for k, v in _LIVE_COLORS.items()}}),
        css=Markup(css),
        script=Markup(script),
    )
