"""Titles of rows, told apart where several rows have one: in tables, in lines of progress and by trackers alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """Titles by row, with the row's name behind each that several rows have: "ELR (elr_b)"."""
    counts = Counter(map(_alike, titles.values()))
    return {
        row: f"{title} ({row})" if counts[_alike(title)] > 1 and title != row else title
        for row, title in titles.items()
    }  # fmt: skip


def _alike(title: str) -> str:
    """What a reader can tell titles apart by: case and white space are not enough."""
    return " ".join(title.casefold().split())
