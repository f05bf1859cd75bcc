"""Reading the Markdown pages: their fenced blocks with markers, their code spans, links, headings and tables.

A block is marked by an HTML comment on the line before its fence, which no reader sees:

    <!-- file: NAME -->        the block is the content of a file of that name, beside which the page's commands run
    <!-- not run: REASON -->   the block is not executed: it needs data, a network, an accelerator, other machines, ...

A `console` block holds commands after "$ ", each with the expected output below it ("..." stands for anything). The
commands of a block that is not run are still checked for names of commands, options, suites, methods and the like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
PAGES = (HOME / "README.md", HOME / "CONTRIBUTING.md", *sorted((HOME / "docs").glob("*.md")))
EXECUTED = ("console", "python")
ENTRY = "python run_benchmark.py"

_FENCE = re.compile(r"^( *)```(\w*)\s*$")  # indented inside a list
_COMMENT = re.compile(r"^<!--\s*(.*?)\s*-->$")


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its first line of text. marker: the comment before it, or the empty string."""

    page: Path
    line: int
    language: str
    text: str
    marker: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(HOME)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, if it is one."""
        return self.marker.removeprefix("file:").strip() if self.marker.startswith("file:") else None

    @property
    def is_run(self) -> bool:
        return self.language in EXECUTED and not self.marker


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order, without their indent. Raises ValueError where one is not closed."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = number, fence.group(2)
            continue
        start, language = opened
        comment = _COMMENT.match(lines[start - 1].strip()) if start else None
        text = "\n".join(line.removeprefix(fence.group(1)) for line in lines[start + 1 : number]) + "\n"
        found.append(Block(page, start + 2, language, text, comment.group(1) if comment else ""))
        opened = None
    if opened is not None:
        raise ValueError(f"{page}:{opened[0] + 1}: this block is not closed")
    return found


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with its expected output (empty: none is given)."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"{block.place}: a console block starts with a command after '$ '")
    return [(command, "".join(f"{line}\n" for line in output)) for command, output in found]


def prose(page: Path) -> str:
    """The page without fenced and indented blocks and without comments."""
    text = re.sub(r"^ *```.*?^ *```\s*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def spans(text: str) -> list[str]:
    """The code spans of a text, line breaks as spaces."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def named(page: str) -> set[str]:
    """The words in code font of a page of docs."""
    return {word for span in spans(prose(HOME / "docs" / page)) for word in re.findall(r"\w+", span)}


def links(page: Path) -> list[str]:
    """The targets of the page's links and pictures that lie in the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if "://" not in target and not target.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say after "#"."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def first_columns(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(heading of the first column, code spans of its cells) of each table."""
    heading, cells = "", list[str]()
    for line in [*prose(page).splitlines(), ""]:
        if not line.startswith("|"):
            if cells:
                yield heading, cells
            heading, cells = "", []
            continue
        first = line.split("|")[1].strip()
        if not heading:
            heading = first or "-"
        else:
            cells += spans(first)
