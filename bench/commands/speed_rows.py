"""The table of `speed`: plain lines under a header, so that each can be printed as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.machine import accelerator
from bench.speed.case import Case, Speed


@dataclass(frozen=True)
class Column:
    """A column: its title, its least width, and what it says of a case."""

    title: str
    width: int
    text: Callable[[Speed], str]
    left: bool = False


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:+.1f}%"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f}%"


def _ratio(found: Speed) -> str:
    return "-" if found.ratio_to_plain_loop is None else f"{found.ratio_to_plain_loop:.2f}"


def _rates(found: Speed) -> str:
    low, high = found.images_per_second_spread
    return f"{_rate(found.images_per_second)} ({_rate(low)} to {_rate(high)})"


def _overhead(found: Speed) -> str:
    low, high = found.overhead_spread
    return f"{_percent(found.overhead)} ({_percent(low)} to {_percent(high)})"


def _columns(planned: Sequence[Case]) -> list[Column]:
    """The columns that these cases need; all have the same device and number of processes at once."""
    case = planned[0]
    columns = [
        Column("method", max(len(one.method) for one in planned), lambda found: found.method, left=True),
        Column("network", max(len(one.network) for one in planned), lambda found: found.network, left=True),
        Column("precision", 9, lambda found: found.precision, left=True),
        Column("measured", 10, lambda found: f"{found.repeats} x {found.samples:,}"),
        Column("images/s", 28, _rates),
        Column("overhead", 28, _overhead),
    ]
    if accelerator.is_cuda(case.device):
        columns += [
            Column("eager", 8, lambda found: _rate(found.eager_images_per_second)),
            Column("captured", 8, lambda found: _share(found.captured_share)),
            Column("bare graph", 10, lambda found: _rate(found.bare_graph_images_per_second)),
        ]
    if case.at_once > 1:
        columns.append(Column(f"{case.at_once} at once", 9, lambda found: _rate(found.at_once_images_per_second)))
    if accelerator.is_cuda(case.device):
        columns.append(Column("of peak", 7, lambda found: _share(found.share_of_peak)))
    return [
        *columns,
        Column("to plain loop", 13, _ratio),
        Column("passes", 6, lambda found: f"{found.passes_per_step:.2f}"),
        Column("peak MiB", 8, lambda found: f"{found.peak_memory_mib:,.0f}"),
    ]


def _line(columns: Sequence[Column], texts: Sequence[str]) -> str:
    cells = []
    for column, text in zip(columns, texts, strict=True):
        width = max(column.width, len(column.title))
        cells.append(text.ljust(width) if column.left else text.rjust(width))
    return "  ".join(cells).rstrip()


def header(planned: Sequence[Case]) -> str:
    """The line of titles."""
    columns = _columns(planned)
    return _line(columns, [column.title for column in columns])


def row(planned: Sequence[Case], found: Speed) -> str:
    """The line of a case."""
    columns = _columns(planned)
    return _line(columns, [column.text(found) for column in columns])
