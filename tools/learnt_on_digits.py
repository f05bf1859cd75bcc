"""What each method has learnt on digits: `python tools/learnt_on_digits.py STORE`, a store or records of `all-methods`.

Prints a table: test accuracy in percent after the first epoch and after the last, means over the seeds that are there,
the points by which the last is over chance, and over cross-entropy. Exit status 1 where a method ends less than 15
points over chance: then it has not learnt.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from results.record import StoreError
from results.sources import find

SUITE, BESIDE = "all-methods", "cross_entropy"
CHANCE, LEAST = 10.0, 15.0  # percent of ten classes; points


@dataclass(frozen=True)
class Learnt:
    """A method's test accuracy in percent after the first and the last epoch, means over `seeds` runs."""

    title: str
    first: float
    last: float
    seeds: int


def learnt(path: Path) -> dict[str, Learnt]:
    """By row of the suite; path: a store or exported records. Raises StoreError where no plan of the suite is there."""
    source = find(path)
    if SUITE not in (plans := source.plans()):
        raise StoreError(f"{path}: has no plan of {SUITE}")
    done = {record["address"]: record["curves"]["test_accuracy"] for record in source.records()}
    curves: dict[str, list[Any]] = defaultdict(list)
    titles: dict[str, str] = {}
    for cell in plans[SUITE]["cells"]:
        if cell["address"] in done:
            curves[cell["method"]].append(done[cell["address"]])
            titles[cell["method"]] = cell["title"]
    return {
        name: Learnt(titles[name], 100 * mean(one[0] for one in runs), 100 * mean(one[-1] for one in runs), len(runs))
        for name, runs in curves.items()
    }


def table(found: Iterable[Learnt], beside: float | None) -> list[str]:
    """The rows of a Markdown table, best first. beside: what cross-entropy ends with; None: it was not run."""
    rows = ["| method | first epoch | last epoch | over chance | over cross-entropy | runs |"]
    rows.append("| :--- " + "| ---: " * 5 + "|")
    for one in sorted(found, key=lambda one: -one.last):
        over = "" if beside is None else f"{one.last - beside:+.1f}"
        rows.append(
            f"| {one.title} | {one.first:.1f} | {one.last:.1f} | {one.last - CHANCE:+.1f} | {over} | {one.seeds} |"
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, nargs="?", default=Path("output"))
    try:
        found = learnt(parser.parse_args(arguments).store)
    except StoreError as fault:
        parser.error(str(fault))
    beside = found[BESIDE].last if BESIDE in found else None
    print("\n".join(table(found.values(), beside)))
    short = [one.title for one in found.values() if one.last < CHANCE + LEAST]
    if short:
        print(f"less than {LEAST:g} points over chance: {', '.join(short)}", file=sys.stderr)
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
