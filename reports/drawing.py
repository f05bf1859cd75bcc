"""The figures of a report: drawn, written beside their numbers, and put into the chapters of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from reports import beside, figure_style, figure_texts, figures, health, page
from reports.competition import Joined
from reports.figure_latex import figure_latex
from reports.figure_page import SCREEN
from reports.figure_style import Drawn
from reports.folder import Folder
from reports.gather import Section
from reports.page import Chapter
from reports.print_style import Printed
from reports.render import csv_of

Tell: TypeAlias = Callable[[str], None]


def nothing(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Made:
    """A figure's files, by name below the report's folder, and what the page shows of it (None: there is no page)."""

    files: dict[str, str | bytes]
    picture: page.Picture | None


@dataclass(frozen=True)
class Begun:
    """Who draws which sections, by number: this process its own, others theirs, which they have begun to."""

    own: list[int]
    shares: list[beside.Share]


@contextmanager
def begun(sections: Sequence[Section], printed: Printed | None = None, processes: int = 1) -> Iterator[Begun]:
    """Further processes draw, where it is worth it, while this one makes tables; they end with the context."""
    own, *others = beside.shared_out(sections, processes)
    draw = partial(_in_style, texts=drawn_texts(sections), printed=printed)
    with beside.begun(others, sections, draw) as shares:
        yield Begun(own, shares)


def draw_all(
    sections: list[Section], suites: list[Chapter], joined: Joined | None, together: list[Chapter], folder: Folder,
    work: Begun, printed: Printed | None = None, tell: Tell = nothing,
) -> list[str]:  # fmt: skip
    """Draw all figures into the chapters that they belong to. Gives what no font could set, in a line.

    tell: is called with what is being drawn.
    """
    texts, told = drawn_texts(sections), list[str]()
    with _style(texts, printed):
        for number in work.own:
            _into(suites[number], made_of(sections[number], printed, tell), folder)
        missing = sorted(set().union(*map(figure_texts.lacking, texts)))
        if missing:
            fonts = "such as Debian's fonts-noto-cjk"
            told.append(
                f"figures: no installed font has {''.join(missing)}; rows stand there by name ({fonts} may have)"
            )
        if joined is not None:
            for drawn in figures.rank_figures("", joined.ranks, joined.select, joined.sections):
                _into(together[0], [_made(drawn, joined.sections, printed)], folder)
        for share in work.shares:
            tell(f"waiting for figures of {sections[share.numbers[0]].title}")
            made = share.drawn(sections) or (made_of(sections[number], printed, tell) for number in share.numbers)
            for number, part in zip(share.numbers, made, strict=True):
                _into(suites[number], part, folder)
    return told


def _style(texts: Sequence[str], printed: Printed | None) -> AbstractContextManager[None]:
    return figure_style.house_style(texts, SCREEN if printed is None else printed.page)


def _in_style(sections: Sequence[Section], texts: Sequence[str], printed: Printed | None) -> list[list[Made]]:
    """The figures of each section, in a process that has no style yet."""
    with _style(texts, printed):
        return [list(made_of(section, printed)) for section in sections]


def made_of(section: Section, printed: Printed | None, tell: Tell = nothing) -> Iterator[Made]:
    """The section's figures. Must be called inside `house_style`."""
    tell(f"drawing figures of {section.title}")
    for drawn in figures.draw(section):
        tell(f"writing figures of {section.title}: {drawn.title}")
        yield _made(drawn, [section], printed)


def _made(drawn: Drawn, sections: list[Section], printed: Printed | None) -> Made:
    """A figure of the sections, whose caption says which of their runs are not sound."""
    titles = {row: title for section in sections for row, title in section.methods.items()}
    whole = figure_texts.whole_titles(drawn.figure, titles)
    drawn = replace(drawn, caption=" ".join(filter(None, (drawn.caption, whole, health.sentence(sections)))))
    rendered = figure_style.rendered(drawn)
    files: dict[str, str | bytes] = {f"figures/{drawn.name}.{suffix}": each for suffix, each in rendered.items()}
    files[f"figures/{drawn.name}.csv"] = csv_of(drawn.data)
    if printed is not None:
        files[f"figures/{drawn.name}.tex"] = figure_latex(drawn, printed.points)
    return Made(files, page.picture(drawn, rendered) if printed is None else None)


def _into(chapter: Chapter, made: Iterable[Made], folder: Folder) -> None:
    """Write the figures, and put them into the chapter."""
    for each in made:
        for name, content in each.files.items():
            folder.write(name, content)
        chapter.pictures += [] if each.picture is None else [each.picture]


def drawn_texts(sections: Iterable[Section]) -> list[str]:
    """Texts of records and plans that figures show."""
    texts: dict[str, None] = {}
    for section in sections:
        titles = [section.title, *section.methods.values(), *section.frame["dataset_title"]]
        records = map(section.material.records.__getitem__, section.frame["address"])
        names = [str(name) for record in records for name in record.get("data", {}).get("class_names", [])]
        texts |= dict.fromkeys([*titles, *(setting for _, setting in section.places), *names])
    return list(texts)
