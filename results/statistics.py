"""What may be said about differences between methods: paired intervals, exact sign-flip tests, and their limits.

All functions take `runs`: the frame that `results.aggregate.runs` makes of `compare` plans (columns dataset, setting,
method, title, name, seed, fingerprint, value; `results.aggregate.comparing` refuses other plans). Methods are paired
where data set, setting, seed and fingerprint are equal. Over several settings each counts alike, however many seeds it
has: the mean is over settings of the mean over pairs, and the test is of that mean.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.inference import LEVEL, MINIMUM_PAIRS, TIE, Floats, SignFlip, holm, paired_interval, sign_flip_test

__all__ = [
    "ALL_EQUAL", "ALPHA", "LEVEL", "MINIMUM_PAIRS", "NOT_TESTABLE", "SignFlip", "against", "baseline", "differences",
    "holm", "paired_interval", "per_cell", "setting_test", "setting_weights", "sign_flip_test", "titles_of", "wins",
    "wins_of",
]  # fmt: skip

ALPHA = 0.05
"""Family-wise level of all tests."""
NOT_TESTABLE = "not testable"
ALL_EQUAL = "all equal"
"""Said of a comparison without any difference."""

_PAIR = ["dataset", "setting", "seed", "fingerprint"]


def differences(runs: pd.DataFrame, method: str, reference: str) -> pd.DataFrame:
    """Paired differences `method` minus `reference`: columns dataset, setting, seed, difference."""
    known = runs.dropna(subset=["value"])
    first, second = (known[known["method"] == name][[*_PAIR, "value"]] for name in (method, reference))
    paired = first.merge(second, on=_PAIR, suffixes=("", "_reference"), sort=False)
    return paired[["dataset", "setting", "seed"]].assign(difference=paired["value"] - paired["value_reference"])


def setting_weights(paired: pd.DataFrame) -> Floats:
    """A weight for each of the differences, so that settings weigh alike: whole numbers, 1 where all have as many."""
    sizes = paired.groupby(["dataset", "setting"], sort=False)["difference"].transform("size").to_numpy(dtype=np.int64)
    if not len(sizes):
        return np.ones(0)
    multiple = math.lcm(*map(int, sizes))
    return np.array([float(multiple // int(size)) for size in sizes])


def setting_test(paired: pd.DataFrame) -> SignFlip:
    """The sign-flip test of the mean over settings of the mean over their pairs."""
    return sign_flip_test(paired["difference"], setting_weights(paired))


def remark(differences: pd.Series, testable: bool) -> str:
    """What is said of a comparison beside its p."""
    if len(differences) and not (differences.abs() > TIE).any():
        return ALL_EQUAL
    return "" if testable else NOT_TESTABLE


def titles_of(runs: pd.DataFrame) -> dict[str, str]:
    """Method -> title, in the runs' order."""
    return dict(runs.drop_duplicates("method")[["method", "title"]].itertuples(index=False, name=None))


def baseline(runs: pd.DataFrame) -> str | None:
    """The first row whose method is cross-entropy, or None: differences are taken to it."""
    rows = runs[runs["name"] == "cross_entropy"]["method"]
    return None if rows.empty else str(rows.iloc[0])


def per_cell(runs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Each cell's difference to the reference method.

    Columns: dataset, setting, method, title, n (pairs), difference (mean), low, high (paired interval, NaN for n = 1),
    p (sign-flip test, NaN below n = 6), p_holm (within all cells of the table), smallest (reachable p), note
    ("not testable" where no p may be given, "all equal" where there is no difference at all).
    """
    rows = []
    for method, title in titles_of(runs).items():
        if method == reference:
            continue
        for key, group in differences(runs, method, reference).groupby(["dataset", "setting"], sort=False):
            test = sign_flip_test(group["difference"])
            low, high = paired_interval(group["difference"])
            note = remark(group["difference"], test.testable)
            rows.append((*key, method, title, test.n, test.mean, low, high, test.p, test.smallest, note))
    names = ["dataset", "setting", "method", "title", "n", "difference", "low", "high", "p", "smallest", "note"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(9, "p_holm", holm(table["p"]))
    return table


def against(runs: pd.DataFrame, reference: str, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """Each method against the reference over all (setting, seed) pairs: one family of tests, Holm inside it.

    `methods` declares the family beforehand (default: all others). Columns: method, title, n (pairs), settings,
    difference (mean over settings of the mean over their pairs, of which the test is), p, p_holm, smallest (the
    smallest adjusted p that so many pairs can reach in this family), wins, ties, losses (settings by the sign of their
    mean paired difference), note. A method without pairs, or with too few, is "not testable"; it still counts in the
    family. One that equals the reference everywhere is "all equal".
    """
    titles = titles_of(runs)
    family = [name for name in (methods if methods is not None else titles) if name != reference]
    rows = []
    for method in family:
        paired = differences(runs, method, reference)
        test = setting_test(paired)
        smallest = min(1.0, len(family) * test.smallest)
        note = remark(paired["difference"], test.testable and smallest < ALPHA)
        counts = wins_of(paired)
        rows.append(
            (method, titles.get(method, method), test.n, sum(counts), test.mean, test.p, smallest, *counts, note)
        )
    names = ["method", "title", "n", "settings", "difference", "p", "smallest", "wins", "ties", "losses", "note"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(6, "p_holm", holm(table["p"], len(family)))
    return table


def wins_of(paired: pd.DataFrame) -> tuple[int, int, int]:
    """Settings won, tied and lost, by the sign of the mean paired difference."""
    means = paired.groupby(["dataset", "setting"], sort=False)["difference"].mean()
    wins, losses = int((means > TIE).sum()), int((means < -TIE).sum())
    return wins, len(means) - wins - losses, losses


def wins(runs: pd.DataFrame) -> pd.DataFrame:
    """Wins, ties and losses over settings of each ordered pair: columns method, other, wins, ties, losses.

    As `wins_of` counts them, of all pairs from one table: there are many.
    """
    names = list(titles_of(runs))
    wide = runs.pivot_table(index=_PAIR, columns="method", values="value", sort=True).reindex(columns=names)
    values = wide.to_numpy(dtype=np.float64)
    places = wide.groupby(_PAIR[:2]).ngroup().to_numpy()
    tallies: dict[tuple[str, str], tuple[int, int, int]] = {}
    for one, other in itertools.combinations(range(len(names)), 2):
        gaps = values[:, one] - values[:, other]
        there = ~np.isnan(gaps)
        counts = np.bincount(places[there])
        means = np.bincount(places[there], weights=gaps[there])[counts > 0] / counts[counts > 0]
        won, lost = int((means > TIE).sum()), int((means < -TIE).sum())
        tied = len(means) - won - lost
        tallies[names[one], names[other]], tallies[names[other], names[one]] = (won, tied, lost), (lost, tied, won)
    rows = [(a, b, *tallies[a, b]) for a in names for b in names if a != b]
    return pd.DataFrame(rows, columns=["method", "other", "wins", "ties", "losses"])
