"""Papers whose numbers are here: what of each table a suite has, how near its procedure is, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.api.prices import cells_of, is_of
from bench.planning import spec, suite
from bench.sweep.precisions import PRECISIONS, in_precision
from methods import registry as methods
from results import published
from results.store import Store


@dataclass(frozen=True)
class Paper:
    """A published table. Of its `numbers`: how many are of a method that is registered, of a cell of `suites`, of one
    without a declared deviation, and of one all seeds of which are done in the store."""

    key: str
    papers: tuple[str, ...]
    numbers: int
    of_methods: int
    of_cells: int
    as_published: int
    measured: int
    suites: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """What makes it again."""
        return (*(f"run {name}" for name in self.suites), f"report --paper {self.key}") if self.suites else ()


def papers(out: Path) -> list[Paper]:
    """Every built-in published table; `out`: the store that tells what was measured. Raises StoreError."""
    done = set(Store(out).addresses()) if out.is_dir() else set[str]()
    names = published.keys()
    return [_paper(key, done) for key in names]


def _paper(key: str, done: set[str]) -> Paper:
    rows = published.load([key])
    cells = cells_of(key)
    published_rows: Sequence[Mapping[Any, Any]] = rows.to_dict("records")
    ours = [[one for one in cells if is_of(row, one[0])] for row in published_rows]
    of_methods = [row["method"] in methods.METHODS or bool(one) for row, one in zip(published_rows, ours, strict=True)]
    return Paper(
        key=key,
        papers=tuple(dict.fromkeys(f"{row['paper']}, {row['table']}" for row in published_rows)),
        numbers=len(published_rows),
        of_methods=sum(of_methods),
        of_cells=sum(map(bool, ours)),
        as_published=sum(any(not cell.claim.deviations for cell, _ in one) for one in ours),
        measured=sum(any(_is_done(*cell, done) for cell in one) for one in ours),
        suites=tuple(name for name in suite.names() if _reproduces(name, key)),
    )


def _is_done(cell: spec.Cell, seeds: int, done: set[str]) -> bool:
    """Whether all its seeds are, in whatever precision: `auto` is another on an accelerator than here."""
    each = [in_precision(cell, precision) for precision in PRECISIONS]
    return all(any(one.with_seed(seed).address in done for one in each) for seed in range(seeds))


def _reproduces(name: str, key: str) -> bool:
    path = suite.locate(name)
    return any(part.paper == key for part in suite.parts(suite.read(path), str(path)))
