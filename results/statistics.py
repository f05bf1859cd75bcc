"""What may be said about differences between methods: paired intervals, exact sign-flip tests, and their limits.

All functions take `runs`: the frame that `results.aggregate.runs` makes of `compare` plans (columns dataset, setting,
method, title, name, seed, fingerprint, value; `results.aggregate.comparing` refuses other plans). Methods are paired
where data set, setting, seed and fingerprint are equal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from results.inference import LEVEL, MINIMUM_PAIRS, TIE, SignFlip, holm, paired_interval, sign_flip_test

__all__ = [
    "ALPHA", "LEVEL", "MINIMUM_PAIRS", "NOT_TESTABLE", "Best", "CriticalDifference", "SignFlip", "against", "baseline",
    "best", "critical_difference", "differences", "holm", "paired_interval", "per_cell", "sign_flip_test", "wins",
]  # fmt: skip

ALPHA = 0.05
"""Family-wise level of all tests."""
NOT_TESTABLE = "not testable"
MINIMUM_SETTINGS, MINIMUM_DATASETS = 10, 2
"""What a critical-difference diagram needs at least."""

_PAIR = ["dataset", "setting", "seed", "fingerprint"]


def differences(runs: pd.DataFrame, method: str, reference: str) -> pd.DataFrame:
    """Paired differences `method` minus `reference`: columns dataset, setting, seed, difference."""
    known = runs.dropna(subset=["value"])
    first, second = (known[known["method"] == name][[*_PAIR, "value"]] for name in (method, reference))
    paired = first.merge(second, on=_PAIR, suffixes=("", "_reference"), sort=False)
    return paired[["dataset", "setting", "seed"]].assign(difference=paired["value"] - paired["value_reference"])


def _titles(runs: pd.DataFrame) -> dict[str, str]:
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
    ("not testable" where no p may be given).
    """
    rows = []
    for method, title in _titles(runs).items():
        if method == reference:
            continue
        for key, group in differences(runs, method, reference).groupby(["dataset", "setting"], sort=False):
            test = sign_flip_test(group["difference"])
            low, high = paired_interval(group["difference"])
            note = "" if test.testable else NOT_TESTABLE
            rows.append((*key, method, title, test.n, test.mean, low, high, test.p, test.smallest, note))
    names = ["dataset", "setting", "method", "title", "n", "difference", "low", "high", "p", "smallest", "note"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(9, "p_holm", holm(table["p"]))
    return table


def against(runs: pd.DataFrame, reference: str, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """Each method against the reference over all (setting, seed) pairs: one family of tests, Holm inside it.

    `methods` declares the family beforehand (default: all others). Columns: method, title, n (pairs), settings,
    difference (mean over pairs), p, p_holm, smallest (the smallest adjusted p that so many pairs can reach in this
    family), wins, ties, losses (settings by the sign of their mean paired difference), note. A method without pairs,
    or with too few, is "not testable"; it still counts in the family.
    """
    titles = _titles(runs)
    family = [name for name in (methods if methods is not None else titles) if name != reference]
    rows = []
    for method in family:
        paired = differences(runs, method, reference)
        test = sign_flip_test(paired["difference"])
        smallest = min(1.0, len(family) * test.smallest)
        counts = _wins(paired)
        rows.append((method, titles.get(method, method), test.n, sum(counts), test.mean, test.p, smallest, *counts))
    names = ["method", "title", "n", "settings", "difference", "p", "smallest", "wins", "ties", "losses"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(6, "p_holm", holm(table["p"], len(family)))
    testable = table["p"].notna() & (table["smallest"] < ALPHA)
    return table.assign(note=[("" if there else NOT_TESTABLE) for there in testable])


def _wins(paired: pd.DataFrame) -> tuple[int, int, int]:
    means = paired.groupby(["dataset", "setting"], sort=False)["difference"].mean()
    wins, losses = int((means > TIE).sum()), int((means < -TIE).sum())
    return wins, len(means) - wins - losses, losses


def wins(runs: pd.DataFrame) -> pd.DataFrame:
    """Wins, ties and losses over settings of each ordered pair: columns method, other, wins, ties, losses."""
    names = list(_titles(runs))
    rows = [(a, b, *_wins(differences(runs, a, b))) for a in names for b in names if a != b]
    return pd.DataFrame(rows, columns=["method", "other", "wins", "ties", "losses"])


@dataclass(frozen=True)
class Best:
    """Which methods may be printed bold.

    means: method -> mean over settings of the cells' means, complete methods only. method: the best of them.
    bold: the best and all complete methods that the test doesn't separate from it; empty where none could be tested,
    and then `reason` says why. untested: complete methods that can't be tested against the best (neither equal nor
    worse). incomplete: methods that lack a setting. table: the tests (`against`).
    """

    method: str | None
    bold: frozenset[str]
    means: dict[str, float]
    untested: tuple[str, ...]
    incomplete: tuple[str, ...]
    table: pd.DataFrame
    reason: str = ""


def best(runs: pd.DataFrame, methods: Sequence[str] | None = None) -> Best:
    """The best mean over all settings and the methods that are not separated from it.

    `methods` declares the table's rows beforehand (default: those with runs); the family are all but the best.
    """
    means = runs.pivot_table(index="method", columns=["dataset", "setting"], values="value", aggfunc="mean", sort=False)
    whole = {str(name): float(mean) for name, mean in means.dropna().mean(axis=1).items()}
    incomplete = tuple(name for name in methods or _titles(runs) if name not in whole)
    if len(whole) < 2:
        reason = "fewer than two methods have runs in every setting"
        return Best(None, frozenset(), whole, (), incomplete, pd.DataFrame(), reason)
    winner = max(whole, key=lambda name: whole[name])
    table = against(runs, winner, methods)
    rivals = table[table["method"].isin(list(whole))]
    lost = rivals["note"] == NOT_TESTABLE
    untested = tuple(rivals["method"][lost])
    if lost.all():
        return Best(winner, frozenset(), whole, untested, incomplete, table, _why_not_testable(rivals))
    equal = rivals["method"][~lost & (rivals["p_holm"] >= ALPHA)]
    return Best(winner, frozenset([winner, *equal]), whole, untested, incomplete, table)


def _why_not_testable(rivals: pd.DataFrame) -> str:
    most = int(rivals["n"].max())
    pairs = "1 pair" if most == 1 else f"{most} pairs"
    text = f"{NOT_TESTABLE}: {pairs} of (setting, seed)"
    if most < MINIMUM_PAIRS:
        return f"{text}, at least {MINIMUM_PAIRS} are needed"
    return f"{text} can reach no p below {rivals['smallest'].min():.2g} after Holm's correction"


@dataclass(frozen=True)
class CriticalDifference:
    """What a critical-difference diagram shows (Friedman's test, then Nemenyi's).

    ranks: method -> mean rank (1 is best), ascending. titles: method -> title, with the method's row name behind a
    title that several have. distance: mean ranks nearer than this are not separated. groups: maximal runs of methods
    within `distance`. p: Friedman's. settings: how many were ranked.
    Where `reason` is not empty no diagram may be drawn, and the rest is empty.
    """

    ranks: dict[str, float]
    titles: dict[str, str]
    distance: float
    groups: tuple[tuple[str, ...], ...]
    p: float
    settings: int
    reason: str = ""


def critical_difference(runs: pd.DataFrame, alpha: float = ALPHA) -> CriticalDifference:
    """Ranks of the cells' means over settings, for methods that have all of them.

    At least 10 settings over at least 2 data sets and three methods are asked for; else `reason` says what lacks.
    """
    means = runs.pivot_table(index=["dataset", "setting"], columns="method", values="value", aggfunc="mean", sort=False)
    complete = means.dropna(axis=1)
    settings, sets, methods = len(complete), complete.index.get_level_values(0).nunique(), complete.shape[1]
    for have, need, what in (
        (settings, MINIMUM_SETTINGS, "settings"), (sets, MINIMUM_DATASETS, "data sets"), (methods, 3, "methods")
    ):  # fmt: skip
        if have < need:
            reason = f"a critical-difference diagram needs at least {need} {what} without holes, here are {have}"
            return CriticalDifference({}, {}, math.nan, (), math.nan, settings, reason)
    ranks = complete.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    p = float(stats.friedmanchisquare(*(complete[name] for name in complete.columns)).pvalue)
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    distance = quantile * math.sqrt(methods * (methods + 1) / (6 * settings))
    named = {str(name): float(rank) for name, rank in ranks.items()}
    titles = _distinct({name: title for name, title in _titles(runs).items() if name in named})
    return CriticalDifference(named, titles, distance, _groups(named, distance), p, settings)


def _distinct(titles: dict[str, str]) -> dict[str, str]:
    """Method -> title; rows of one method may have one title, and are told apart by their names."""
    often = Counter(titles.values())
    return {name: title if often[title] == 1 else f"{title} ({name})" for name, title in titles.items()}


def _groups(ranks: dict[str, float], distance: float) -> tuple[tuple[str, ...], ...]:
    names = list(ranks)
    groups, end = [], 0
    for start in range(len(names)):
        stop = max(i for i in range(start, len(names)) if ranks[names[i]] - ranks[names[start]] <= distance) + 1
        if stop > end and stop - start > 1:
            groups.append(tuple(names[start:stop]))
        end = max(end, stop)
    return tuple(groups)
