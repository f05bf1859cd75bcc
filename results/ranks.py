"""Mean ranks over settings, as a critical-difference diagram shows them (Demsar 2006)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from results.inference import TIE
from results.statistics import ALPHA, titles_of

MINIMUM_SETTINGS, MINIMUM_DATASETS = 10, 2
"""What a critical-difference diagram needs at least."""


@dataclass(frozen=True)
class CriticalDifference:
    """What a critical-difference diagram shows (Friedman's test, then Nemenyi's).

    ranks: method -> mean rank (1 is best), ascending; equally many hits share a rank. titles: method -> title, with the
    method's row name behind a title that several have. distance: mean ranks nearer than this are not separated. groups:
    maximal runs of methods within `distance`. p: Friedman's; 1 where all methods are equal in every setting
    (`all_equal`). settings: how many were ranked.
    left_out: title of a method that is not ranked -> the (data set, setting) that it lacks.
    Where `reason` is not empty no diagram may be drawn, and the rest is empty but for `settings` and `left_out`.
    """

    ranks: dict[str, float]
    titles: dict[str, str]
    distance: float
    groups: tuple[tuple[str, ...], ...]
    p: float
    settings: int
    reason: str = ""
    left_out: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @property
    def all_equal(self) -> bool:
        return len(set(self.ranks.values())) == 1 and self.p == 1


def critical_difference(
    runs: pd.DataFrame, rows: Mapping[str, str] | None = None, alpha: float = ALPHA
) -> CriticalDifference:
    """Ranks of the cells' means over settings, for methods that have all of them.

    rows: method -> title of all that compete, run or not (default: those with runs). At least 10 settings over at least
    2 data sets and three methods are asked for; else `reason` says what lacks.
    """
    means = runs.pivot_table(index=["dataset", "setting"], columns="method", values="value", aggfunc="mean", sort=False)
    complete = means.dropna(axis=1)
    left_out = _left_out(means, dict(rows or {}) | titles_of(runs))
    settings, sets, methods = len(complete), complete.index.get_level_values(0).nunique(), complete.shape[1]
    for have, need, what in (
        (settings, MINIMUM_SETTINGS, "settings"), (sets, MINIMUM_DATASETS, "data sets"), (methods, 3, "methods")
    ):  # fmt: skip
        if have < need:
            reason = f"a critical-difference diagram needs at least {need} {what} without holes, here are {have}"
            return CriticalDifference({}, {}, math.nan, (), math.nan, settings, reason, left_out)
    ranked = pd.DataFrame([_ranks(row) for row in complete.to_numpy(dtype=np.float64)], columns=complete.columns)
    ranks = ranked.mean().sort_values(kind="stable")
    named = {str(name): float(rank) for name, rank in ranks.items()}
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    distance = quantile * math.sqrt(methods * (methods + 1) / (6 * settings))
    titles = distinct_titles({name: title for name, title in titles_of(runs).items() if name in named})
    return CriticalDifference(
        named, titles, distance, _groups(named, distance), _friedman(ranked), settings, left_out=left_out
    )


def _ranks(means: np.ndarray) -> np.ndarray:
    """[methods] mean accuracies in one setting -> ranks from 1, the best; what differs by rounding alone shares one."""
    order = np.argsort(-means, kind="stable")
    level = np.empty(len(means))
    level[order] = np.concatenate([[0], np.cumsum(-np.diff(means[order]) > TIE)])
    return np.asarray(stats.rankdata(level), dtype=np.float64)


def _friedman(ranked: pd.DataFrame) -> float:
    """Friedman's p of ranks [settings, methods]; 1 where all are equal everywhere, which the test cannot bear."""
    if (ranked.nunique(axis=1) == 1).all():
        return 1.0
    return float(stats.friedmanchisquare(*(-ranked[name] for name in ranked.columns)).pvalue)


def _left_out(means: pd.DataFrame, titles: dict[str, str]) -> dict[str, tuple[tuple[str, str], ...]]:
    named = distinct_titles(titles)
    gaps = {name: means.index[means[name].isna()] if name in means else means.index for name in titles}
    return {named[name]: tuple((str(d), str(s)) for d, s in lacking) for name, lacking in gaps.items() if len(lacking)}


def distinct_titles(titles: dict[str, str]) -> dict[str, str]:
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
