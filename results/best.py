"""Which methods of a table may be bold: the best mean over settings, and what is not significantly worse."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from results.inference import MINIMUM_PAIRS, TIE
from results.joint_flips import VECTORS, joint_sign_flips
from results.statistics import ALPHA, NOT_TESTABLE, differences, remark, setting_test, titles_of, wins_of


@dataclass(frozen=True)
class Best:
    """Which methods may be printed bold.

    means: method -> mean over settings of the cells' means, complete methods only. method: the best of them.
    bold: the best and all complete methods that are not significantly worse; empty where most could not be tested,
    and then `reason` says why. untested: complete methods that can't be tested against the best; they are bold as well
    where most can.
    incomplete: methods that lack a setting. table: the tests against the best, columns as of `statistics.against` with
    `p_joint` for `p_holm`. reason: why nothing is bold. tested: all pairs of methods that were tested together, columns
    first, second, difference (first minus second), p, smallest.
    """

    method: str | None
    bold: frozenset[str]
    means: dict[str, float]
    untested: tuple[str, ...]
    incomplete: tuple[str, ...]
    table: pd.DataFrame
    reason: str = ""
    tested: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def pairs(self) -> int:
        """How many pairs of methods were tested together."""
        return len(self.tested)


def best(runs: pd.DataFrame, methods: Sequence[str] | None = None, vectors: int = VECTORS) -> Best:
    """The best mean over all settings and the methods that are not significantly worse.

    Which method is the best is not known beforehand, so all pairs of methods are tested together
    (`joint_sign_flips`): where all are equal, the chance that any of them loses its bold is at most ALPHA.
    `methods`: the table's rows (default: those with runs); of those without runs `incomplete` tells.
    """
    means = runs.pivot_table(index="method", columns=["dataset", "setting"], values="value", aggfunc="mean", sort=False)
    whole = {str(name): float(mean) for name, mean in means.dropna().mean(axis=1).items()}
    rows = list(dict.fromkeys([*(methods or ()), *titles_of(runs)]))
    incomplete = tuple(name for name in rows if name not in whole)
    if len(whole) < 2:
        reason = "fewer than two methods have runs in every setting"
        return Best(None, frozenset(), whole, (), incomplete, pd.DataFrame(), reason=reason)
    most = max(whole.values())
    winner = next(name for name in rows if name in whole and whole[name] >= most - TIE)
    tested = _all_pairs(runs, [name for name in rows if name in means.index], vectors)
    joint = {frozenset((a, b)): (p, least) for a, b, _, p, least in tested.itertuples(index=False, name=None)}
    table = _against_best(runs, winner, rows, joint)
    rivals = table[table["method"].isin(list(whole))]
    untested = tuple(rivals["method"][_is_untestable(rivals)])
    if 2 * len(untested) > len(rivals):
        return Best(winner, frozenset(), whole, untested, incomplete, table, _why_not_testable(rivals), tested)
    worse = set(rivals["method"][_is_worse(rivals)])
    bold = frozenset(name for name in whole if name not in worse)
    return Best(winner, bold, whole, untested, incomplete, table, tested=tested)


def _is_untestable(rivals: pd.DataFrame) -> pd.Series:
    """Also where all of too few pairs are equal."""
    return (rivals["note"] == NOT_TESTABLE) | (rivals["n"] < MINIMUM_PAIRS)


def _is_worse(rivals: pd.DataFrame) -> pd.Series:
    """A rival that the pairs favour is not worse, whatever its p."""
    return ~_is_untestable(rivals) & (rivals["p_joint"] < ALPHA) & (rivals["difference"] < -TIE)


def _all_pairs(runs: pd.DataFrame, names: list[str], vectors: int) -> pd.DataFrame:
    """The pairs of methods that share enough blocks (setting and seed), and their joint test: see `Best.tested`."""
    blocks = ["dataset", "setting", "seed", "fingerprint"]
    wide = runs.pivot_table(index=blocks, columns="method", values="value", sort=True)[names]
    values = wide.to_numpy(dtype=np.float64)
    places = wide.groupby(blocks[:2]).ngroup().to_numpy()
    family, columns = [], []
    for one, other in itertools.combinations(range(len(names)), 2):
        gaps = values[:, one] - values[:, other]
        there = ~np.isnan(gaps)
        if there.sum() >= MINIMUM_PAIRS:
            counts = np.bincount(places[there])
            shares = 1.0 / (np.maximum(counts, 1)[places] * np.count_nonzero(counts))
            family.append((names[one], names[other]))
            columns.append(np.where(there & (np.abs(gaps) > TIE), gaps * shares, 0.0))
    weighted = np.stack(columns, axis=1) if family else np.zeros((0, 0))
    flips = joint_sign_flips(weighted, vectors)
    pairs = pd.DataFrame(family, columns=["first", "second"], dtype=object)
    return pairs.assign(difference=weighted.sum(0), p=flips.p, smallest=flips.smallest)


def _against_best(
    runs: pd.DataFrame, winner: str, rows: Sequence[str], joint: dict[frozenset[str], tuple[float, float]]
) -> pd.DataFrame:
    titles, lines = titles_of(runs), []
    for method in (name for name in rows if name != winner):
        paired = differences(runs, method, winner)
        test, counts = setting_test(paired), wins_of(paired)
        p_joint, smallest = joint.get(frozenset((method, winner)), (np.nan, test.smallest))
        note = remark(paired["difference"], test.testable and smallest < ALPHA)
        lines.append((method, titles.get(method, method), test.n, sum(counts), test.mean, test.p, p_joint, smallest,
                      *counts, note))  # fmt: skip
    names = ["method", "title", "n", "settings", "difference", "p", "p_joint", "smallest", "wins", "ties", "losses",
             "note"]  # fmt: skip
    return pd.DataFrame(lines, columns=names)


def _why_not_testable(rivals: pd.DataFrame) -> str:
    lost = rivals[_is_untestable(rivals)]
    most = int(lost["n"].max())
    pairs = "1 pair" if most == 1 else f"{most} pairs"
    text = f"{NOT_TESTABLE}: {pairs} of (setting, seed)"
    if most < MINIMUM_PAIRS:
        return f"{text}, at least {MINIMUM_PAIRS} are needed"
    whose = "" if len(lost) == len(rivals) else f" for {len(lost)} of {len(rivals)} methods"
    return f"{text} can reach no p below {lost['smallest'].min():.2g} over all pairs of methods{whose}"
