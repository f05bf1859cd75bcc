"""How often bold is wrong, and how often it tells methods apart: `python tools/simulate_bold.py`, some ten minutes.

Tables of five settings with methods whose runs differ by normal noise of one size, drawn anew for each run. First all
methods are equal: how many tables have a method that is not bold. Then one is better than all others, which are equal,
by so many standard deviations of a run: how many of the others are not bold. Beside the test in use stand two others:
sign flips of every pair alone, with Holm's correction over all pairs, and with Holm's correction over the pairs with
the best alone, which forgets that the best was chosen by its mean.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from results.inference import Floats, holm, sign_flip_test
from results.joint_flips import joint_sign_flips
from results.statistics import ALPHA

SETTINGS = 5
Test = Callable[[Floats, int], NDArray[np.bool_]]
"""Of values [blocks, methods] and the column of the best: which methods are worse."""


def _partners(methods: int, best: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First and second column of every pair, and for each method the pair with the best (-1: itself)."""
    first, second = np.triu_indices(methods, 1)
    place = np.full(methods, -1)
    for pair in np.flatnonzero((first == best) | (second == best)):
        place[first[pair] + second[pair] - best] = pair
    return first, second, place


def together(vectors: int) -> Test:
    def test(values: Floats, best: int) -> NDArray[np.bool_]:
        first, second, place = _partners(values.shape[1], best)
        p = joint_sign_flips(values[:, first] - values[:, second], vectors).p
        return (p[place] < ALPHA) & (place >= 0)

    return test


def each_of_all_pairs(values: Floats, best: int) -> NDArray[np.bool_]:
    first, second, place = _partners(values.shape[1], best)
    p = holm([sign_flip_test(values[:, i] - values[:, j]).p for i, j in zip(first, second, strict=True)])
    return (p[place] < ALPHA) & (place >= 0)


def each_against_the_best(values: Floats, best: int) -> NDArray[np.bool_]:
    others = [column for column in range(values.shape[1]) if column != best]
    p = holm([sign_flip_test(values[:, column] - values[:, best]).p for column in others])
    worse = np.zeros(values.shape[1], dtype=np.bool_)
    worse[others] = p < ALPHA
    return worse


def tables(test: Test, methods: int, seeds: int, count: int, gap: float = 0.0) -> tuple[float, float]:
    """Share of tables with a method that is worse, and of the methods but the first that are.

    gap: by how many standard deviations of a run the first method is better than all others.
    """
    rng = np.random.default_rng(1000 * methods + seeds)
    any_worse, share = 0, 0.0
    for _ in range(count):
        values = rng.normal(0, 1, (SETTINGS * seeds, methods))
        values[:, 0] += gap
        worse = test(values, int(values.sum(0).argmax()))
        any_worse += bool(worse.any())
        share += worse[1:].mean()
    return any_worse / count, share / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=int, default=10_000, help="tables of equal methods")
    parser.add_argument("--few", type=int, default=300, help="tables of unequal methods, and of slow tests")
    chosen = parser.parse_args()
    print("| methods | seeds | all pairs together | Holm, all pairs | Holm, pairs with the best |")
    print("|---|---|---|---|---|")
    sizes = [(methods, seeds) for methods in (5, 31) for seeds in (3, 5)]
    for methods, seeds in sizes:
        found = [
            tables(together(1000 if methods < 10 else 200), methods, seeds, chosen.tables)[0],
            tables(each_of_all_pairs, methods, seeds, chosen.few if methods < 10 else chosen.few // 10)[0],
            tables(each_against_the_best, methods, seeds, chosen.few)[0],
        ]
        print(f"| {methods} | {seeds} | " + " | ".join(f"{100 * one:.1f}%" for one in found) + " |", flush=True)
    print("\n| methods | seeds | better by | all pairs together | Holm, all pairs |\n|---|---|---|---|---|")
    for methods, seeds in sizes:
        for gap in (0.5, 1.0, 1.5, 2.0):
            few = chosen.few if methods < 10 else chosen.few // 10
            joint = tables(together(1000), methods, seeds, few, gap)[1]
            alone = tables(each_of_all_pairs, methods, seeds, few, gap)[1]
            print(f"| {methods} | {seeds} | {gap} sd | {100 * joint:.0f}% | {100 * alone:.0f}% |", flush=True)


if __name__ == "__main__":
    main()
