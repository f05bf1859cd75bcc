"""The console that commands print on. What they print is users' text (titles, paths, faults), so it is never markup."""

from __future__ import annotations

from rich.console import Console


def console(soft_wrap: bool = False, highlight: bool = True, width: int | None = None) -> Console:
    """A console that prints `[word]` and `:word:` as they are, in tables too; styles are given apart from the text."""
    return Console(soft_wrap=soft_wrap, highlight=highlight, width=width, markup=False, emoji=False)
