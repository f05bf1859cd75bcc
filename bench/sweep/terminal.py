"""The console that commands print on. What they print is users' text (titles, paths, faults), so it is never markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bench.sweep import log
from common.errors import escaped


class _Console(Console):
    """A console that shows control characters of what it prints as escapes: they are text of users and of records, and
    a terminal would act on them. What Rich itself sends to the terminal (colours, cursor) is no text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text), segment.style)


def console(
    soft_wrap: bool = False,
    highlight: bool = True,
    width: int | None = None,
    stderr: bool = False,
    quiet: bool = False,
    lines: bool = False,
) -> Console:
    """A console that prints `[word]` and `:word:` as they are, in tables too; styles are given apart from the text.

    quiet: it prints nothing. lines: it prints lines where it could redraw a terminal.
    """
    return _Console(
        soft_wrap=soft_wrap, highlight=highlight, width=width, markup=False, emoji=False, stderr=stderr, quiet=quiet,
        force_terminal=False if lines else None,
    )  # fmt: skip


@contextmanager
def doing(seconds: float, stderr: bool = False) -> Iterator[log.Doing]:
    """What a command says of itself every so many seconds (0: never), where its output goes to no terminal.

    stderr: say it on standard error, as where a program may read the output.
    """
    told = log.Doing()
    with log.shown(console(stderr=stderr), 0.0 if console().is_terminal else seconds, told.lines):
        yield told


@contextmanager
def at_work(verbose: bool) -> Iterator[Callable[[str], None]]:
    """Gives what says what a command is doing: one line that changes, on a terminal; else nothing.

    verbose: a line each, on standard error, whether that is a terminal or not. What the command prints stays as it is.
    """
    shown = console(stderr=True)
    if verbose:
        yield lambda line: shown.print(line, highlight=False, soft_wrap=True)
    elif shown.is_terminal:
        with shown.status("") as status:
            yield lambda line: status.update(Text(line))
    else:
        yield lambda line: None
