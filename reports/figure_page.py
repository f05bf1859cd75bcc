"""What figures are drawn for: a screen, where each is as wide as it needs, or a column of print of one width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

HIGHEST = 7.0
"""Inches: the height of a printed figure, which leaves room for its caption on a page."""
_LEAST, _MOST = 7.0, 9.0  # points of text


@dataclass(frozen=True)
class Page:
    """Where figures will stand. width: inches of each, which are those of its file; None: as each needs."""

    width: float | None = None

    @property
    def printed(self) -> bool:
        return self.width is not None


SCREEN = Page()
_PAGE: ContextVar[Page] = ContextVar("page", default=SCREEN)


@contextmanager
def drawn_for(page: Page) -> Iterator[None]:
    """What is drawn inside is for this page."""
    token = _PAGE.set(page)
    try:
        yield
    finally:
        _PAGE.reset(token)


def page() -> Page:
    """The page that is drawn for."""
    return _PAGE.get()


def points(size: float) -> float:
    """A size of text in points: in print, where nobody can enlarge it, between 7 and 9."""
    return min(max(size, _LEAST), _MOST) if page().printed else size
