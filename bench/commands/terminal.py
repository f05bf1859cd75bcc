"""The console that commands print on. What they print is users' text (titles, paths, faults), so it is never markup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from bench import log


def console(
    soft_wrap: bool = False, highlight: bool = True, width: int | None = None, stderr: bool = False
) -> Console:
    """A console that prints `[word]` and `:word:` as they are, in tables too; styles are given apart from the text."""
    return Console(soft_wrap=soft_wrap, highlight=highlight, width=width, markup=False, emoji=False, stderr=stderr)


@contextmanager
def doing(seconds: float, stderr: bool = False) -> Iterator[log.Doing]:
    """What a command says of itself every so many seconds (0: never), where its output goes to no terminal.

    stderr: say it on standard error, as where a program may read the output.
    """
    told = log.Doing()
    with log.shown(console(stderr=stderr), 0.0 if console().is_terminal else seconds, told.lines):
        yield told
