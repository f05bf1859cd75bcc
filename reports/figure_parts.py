"""Figures that are higher than a printed page: drawn again in parts, by settings, then by rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import pandas as pd

from reports.figure_page import HIGHEST, page
from reports.figure_style import Drawn
from reports.gather import Section

Draw = Callable[[Section], "Drawn | None"]
_Place = tuple[str, str]
_Thing = TypeVar("_Thing")


def in_parts(section: Section, draw: Draw, by_settings: bool = True) -> list[Drawn]:
    """The figure, or in print, where it is higher than a page, its parts, whose names and captions are numbered.

    by_settings: whether it may be divided by settings first; else by rows alone.
    """
    parts = list(_drawn(section, draw, section.places, list(section.methods), by_settings))
    if len(parts) < 2:
        return parts
    return [
        replace(each, name=f"{each.name}-{number}", caption=f"{each.caption} Part {number} of {len(parts)}.")
        for number, each in enumerate(parts, 1)
    ]


def _drawn(
    section: Section, draw: Draw, places: Sequence[_Place], methods: Sequence[str], by_settings: bool
) -> Iterator[Drawn]:
    drawn = draw(section)
    if drawn is None:
        return
    parts = math.ceil(1.1 * drawn.figure.get_figheight() / HIGHEST)  # each has margins and a legend of its own
    if not page().printed or drawn.figure.get_figheight() <= HIGHEST:
        yield drawn
    elif by_settings and len(places) > 1:
        for some in _divided(places, parts):
            yield from _drawn(part(section, some, methods), draw, some, methods, by_settings)
    elif len(methods) > 1:
        for few in _divided(methods, parts):
            yield from _drawn(part(section, places, few), draw, places, few, by_settings)
    else:
        yield drawn


def _divided(things: Sequence[_Thing], parts: int) -> list[Sequence[_Thing]]:
    """The things in two or more parts of nearly one size."""
    count = min(max(parts, 2), len(things))
    ends = [round(number * len(things) / count) for number in range(count + 1)]
    return [things[start:end] for start, end in itertools.pairwise(ends)]


def part(section: Section, places: Sequence[_Place], methods: Sequence[str]) -> Section:
    """What the suite has of these (data set, setting) and rows; all are named and look as in the whole."""

    def kept(table: pd.DataFrame, row: str) -> pd.DataFrame:
        here = [place in places for place in zip(table["dataset"], table["setting"], strict=True)]
        return table[pd.Series(here, index=table.index, dtype=bool) & table[row].isin(list(methods))]

    whole = section.whole or section
    return replace(section, cells=kept(section.cells, "method"), frame=kept(section.frame, "row"), whole=whole)
