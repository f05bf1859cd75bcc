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


def _ratio(speed: Speed) -> str:
    return "-" if speed.ratio_to_plain_loop is None else f"{speed.ratio_to_plain_loop:.2f}"


def _rates(speed: Speed) -> str:
    low, high = speed.images_per_second_spread
    return f"{_rate(speed.images_per_second)} ({_rate(low)} to {_rate(high)})"


def _overhead(speed: Speed) -> str:
    low, high = speed.overhead_spread
    return f"{_percent(speed.overhead)} ({_percent(low)} to {_percent(high)})"


def _columns(planned: Sequence[Case]) -> list[Column]:
    """The columns that these cases need; all have the same device and number of processes at once."""
    case = planned[0]
    columns = [
        Column("method", max(len(one.method) for one in planned), lambda speed: speed.method, left=True),
        Column("network", max(len(one.network) for one in planned), lambda speed: speed.network, left=True),
        Column("precision", 9, lambda speed: speed.precision, left=True),
        Column("measured", 10, lambda speed: f"{speed.repeats} x {speed.samples:,}"),
        Column("images/s", 28, _rates),
        Column("overhead", 28, _overhead),
    ]
    if accelerator.is_cuda(case.device):
        columns += [
            Column("eager", 8, lambda speed: _rate(speed.eager_images_per_second)),
            Column("captured", 8, lambda speed: _share(speed.captured_share)),
            Column("bare graph", 10, lambda speed: _rate(speed.bare_graph_images_per_second)),
        ]
    if case.at_once > 1:
        columns.append(Column(f"{case.at_once} at once", 9, lambda speed: _rate(speed.at_once_images_per_second)))
    if accelerator.is_cuda(case.device):
        columns.append(Column("of peak", 7, lambda speed: _share(speed.share_of_peak)))
    return [
        *columns,
        Column("to plain loop", 13, _ratio),
        Column("passes", 6, lambda speed: f"{speed.passes_per_step:.2f}"),
        Column("peak MiB", 8, lambda speed: f"{speed.peak_memory_mib:,.0f}"),
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


def row(planned: Sequence[Case], speed: Speed) -> str:
    """The line of a case."""
    columns = _columns(planned)
    return _line(columns, [column.text(speed) for column in columns])
