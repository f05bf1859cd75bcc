"""How a report is printed: the width of its column on paper, and what of its tables is shown."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from reports.errors import ReportError
from reports.figure_page import Page
from reports.table_choice import TableChoice

STYLES = ("screen", "paper")
WIDTHS = "accepted: 60mm to 400mm, in mm, cm, in or pt, such as 84mm"
_UNITS = {"mm": 1 / 25.4, "cm": 1 / 2.54, "in": 1.0, "pt": 1 / 72.27}  # pt: as TeX has it
_LEAST, _MOST = 60 / 25.4, 400 / 25.4


def inches_of(width: str) -> float:
    """A width such as "84mm", "8.4 cm", "3.3in" or "239pt" (of TeX) in inches. Raises ReportError."""
    match = re.fullmatch(r"\s*([0-9]{1,6}(?:\.[0-9]{0,6})?)\s*(mm|cm|in|pt)\s*", width, re.ASCII | re.IGNORECASE)
    inches = float(match[1]) * _UNITS[match[2].lower()] if match else math.nan
    if not _LEAST - 1e-9 <= inches <= _MOST + 1e-9:
        raise ReportError(f"--width {width}: {WIDTHS}")
    return inches


@dataclass(frozen=True)
class Printed:
    """A report for a paper. width: of a column, such as "84mm". Raises ReportError for one that is none."""

    width: str
    choice: TableChoice = field(default_factory=TableChoice)

    @property
    def page(self) -> Page:
        return Page(inches_of(self.width))

    @property
    def points(self) -> float:
        """The width in points of TeX, not more than it is."""
        return math.floor(720.0 * 72.27 / 72 * inches_of(self.width)) / 10

    def __post_init__(self) -> None:
        inches_of(self.width)
