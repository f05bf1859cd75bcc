"""The figures of a report: drawn, written beside their numbers, and put into the chapters of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from reports import figure_style, figure_texts, figures, health, page
from reports.competition import Joined
from reports.figure_latex import figure_latex
from reports.figure_page import SCREEN
from reports.figure_style import Drawn
from reports.folder import Folder
from reports.gather import Section
from reports.page import Chapter
from reports.print_style import Printed
from reports.render import csv_of


def draw_all(
    sections: list[Section], suites: list[Chapter], joined: Joined | None, together: list[Chapter], folder: Folder,
    printed: Printed | None = None, tell: Callable[[str], None] = lambda line: None,
) -> list[str]:  # fmt: skip
    """Draw all figures into the chapters that they belong to. Gives what no font could set, in a line.

    tell: is called with what is being drawn.
    """
    texts, told = drawn_texts(sections), list[str]()
    with figure_style.house_style(texts, SCREEN if printed is None else printed.page):
        for section, part in zip(sections, suites, strict=True):
            tell(f"drawing figures of {section.title}")
            for drawn in figures.draw(section):
                tell(f"writing figures of {section.title}: {drawn.title}")
                part.pictures += _written(drawn, [section], folder, printed)
        missing = sorted(set().union(*map(figure_texts.lacking, texts)))
        if missing:
            fonts = "such as Debian's fonts-noto-cjk"
            told.append(
                f"figures: no installed font has {''.join(missing)}; rows stand there by name ({fonts} may have)"
            )
        if joined is not None:
            for drawn in figures.rank_figures("", joined.ranks, joined.select, joined.sections):
                together[0].pictures += _written(drawn, joined.sections, folder, printed)
    return told


def _written(drawn: Drawn, sections: list[Section], folder: Folder, printed: Printed | None) -> list[page.Picture]:
    """Write a figure of the sections, whose caption says which of their runs are not sound; it is for the page."""
    titles = {row: title for section in sections for row, title in section.methods.items()}
    whole = figure_texts.whole_titles(drawn.figure, titles)
    drawn = replace(drawn, caption=" ".join(filter(None, (drawn.caption, whole, health.sentence(sections)))))
    files = figure_style.rendered(drawn)
    for suffix, content in files.items():
        folder.write(f"figures/{drawn.name}.{suffix}", content)
    folder.write(f"figures/{drawn.name}.csv", csv_of(drawn.data))
    if printed is not None:
        folder.write(f"figures/{drawn.name}.tex", figure_latex(drawn, printed.points))
        return []
    return [page.picture(drawn, files)]


def drawn_texts(sections: Iterable[Section]) -> list[str]:
    """Texts of records and plans that figures show."""
    texts: dict[str, None] = {}
    for section in sections:
        titles = [section.title, *section.methods.values(), *section.frame["dataset_title"]]
        records = map(section.material.records.__getitem__, section.frame["address"])
        names = [str(name) for record in records for name in record.get("data", {}).get("class_names", [])]
        texts |= dict.fromkeys([*titles, *(setting for _, setting in section.places), *names])
    return list(texts)
