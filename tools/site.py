"""Hooks of the documentation site (`mkdocs.yml`): the pages of docs/ stay as a forge shows them, and their links work.

The README becomes the first page. What a page links to outside docs/ (a method's file, a suite, a folder of results)
gets a page of its own, so that the site needs no forge (pictures and HTML pages go there as they are); `api.md` has the
reference of what scripts and plug-ins call.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

HOME = Path(__file__).resolve().parent.parent
SOURCE = "source"
FIRST = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".csv": "text", ".sh": "bash", ".txt": "text"}
AS_THEY_ARE = (".svg", ".png", ".html")
LONGEST = 100_000  # characters of a file that its page shows
MODULES = (
    "bench.api.functions", "bench.api.planned", "bench.api.tuned", "methods.base", "methods.hyper",
    "methods.two_networks", "datasets.base", "datasets.data_contract", "datasets.noise_contract",
    "datasets.listing", "datasets.views",
    "results.store", "results.frame", "results.suspects", "common.errors", "common.record", "common.specification",
)  # fmt: skip
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_TAG = re.compile(r"((?:src|href)=\")([^\"#:]+)((?:#[^\"]*)?\")")
_FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2\s*$", re.MULTILINE | re.DOTALL)
_DRAWING = re.compile(r"^```mermaid\nflowchart BT\n(.*?)^```$", re.MULTILINE | re.DOTALL)
made: dict[str, str] = {}
"""Address of a generated page -> the path in the repository that it shows."""


def page_of(path: str) -> str:
    """Where the site has what lies at `path` in the repository: an address below docs/."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.endswith((".md", *AS_THEY_ARE)):
        return f"{SOURCE}/{path}"
    if (HOME / path).is_dir():  # not `PATH.md`: its page would be PATH/index.html, which may be one of its files
        return f"{SOURCE}/{path}/files-of-this-folder.md"
    return f"{SOURCE}/{path}.md"


def rewritten(text: str, path: str) -> tuple[str, set[str]]:
    """A Markdown page of the repository with its links as the site has them, and the paths that they lead to."""
    found: set[str] = set()

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[2]))
        if re.match(r"[a-z]+:", match[2]) or not (HOME / target).exists():
            return match[0]
        found.add(target)
        return f"{match[1]}{posixpath.relpath(page_of(target), posixpath.dirname(page_of(path)))}{match[3]}"

    parts, last = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_TAG.sub(link, _LINK.sub(link, text[last : fence.start()])), fence[0]]
        last = fence.end()
    parts.append(_TAG.sub(link, _LINK.sub(link, text[last:])))
    return "".join(parts), found


def without_drawings(text: str) -> str:
    """Markdown whose drawings of arrows (Mermaid) are tables: what draws them a browser would fetch from elsewhere."""

    def table(match: re.Match[str]) -> str:
        uses: dict[str, list[str]] = {}
        for line in match[1].splitlines():
            one, other = line.strip().split(" --> ")
            uses.setdefault(one, []).append(f"`{other}`")
        rows = [f"| `{one}` | {', '.join(others)} |" for one, others in uses.items()]
        return "\n".join(["| | uses |", "|---|---|", *rows])

    return _DRAWING.sub(table, text)


def shown(path: str) -> tuple[str, set[str]]:
    """The page of a file or folder outside docs/, and the paths that it leads to."""
    place = HOME / path
    if place.is_dir():
        names = sorted(one.name + "/" * one.is_dir() for one in place.iterdir() if not one.name.startswith((".", "__")))
        return f"# {path}/\n\n" + "".join(f"- `{name}`\n" for name in names), set()
    text = place.read_text(encoding="utf-8")
    if path.endswith(".md"):
        return rewritten(text, path)
    cut = "" if len(text) <= LONGEST else f"\n\nThe first {LONGEST:,} of {len(text):,} characters.\n"
    language = LANGUAGES.get(place.suffix, "text")
    return f"# {path}\n\n````{language}\n{text[:LONGEST]}\n````\n{cut}", set()


def reference() -> str:
    """The page of what scripts and plug-ins call."""
    parts = ["# API reference", "", "What a script calls, and what plug-ins are given and derive from.", ""]
    return "\n".join(parts + [f"::: {name}\n" for name in MODULES])


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    waiting = {*FIRST}
    for file in files.documentation_pages():
        if file.src_uri.endswith(".md"):
            waiting |= rewritten(file.content_string, f"docs/{file.src_uri}")[1]
    done: set[str] = set()
    while waiting - done:
        path = (waiting - done).pop()
        done.add(path)
        if path.startswith("docs/"):
            continue
        if path.endswith(AS_THEY_ARE):
            files.append(File.generated(config, page_of(path), content=(HOME / path).read_bytes()))
            continue
        text, further = shown(path)
        waiting |= further
        place = InclusionLevel.INCLUDED if path in FIRST else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, page_of(path), content=text, inclusion=place))
        made[page_of(path)] = path
    files.append(File.generated(config, "api.md", content=reference()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page of docs/ with its links as the site has them, and nothing that a browser would ask a network for."""
    uri = page.file.src_uri
    if uri in made or uri == "api.md" or not uri.endswith(".md"):
        return markdown
    return rewritten(without_drawings(markdown), f"docs/{uri}")[0]
