"""The place of each method among those of a table, and which places the tests leave open."""

from __future__ import annotations

from dataclasses import dataclass

from results.best import Best
from results.inference import TIE
from results.statistics import ALPHA


@dataclass(frozen=True)
class Place:
    """place: 1 is the best mean over settings; equal means share one. low, high: the places that the tests leave open.

    low: one more than the methods that are significantly better. high: as many as are not significantly worse, itself
    among them. Where nothing can be tested that is all places.
    """

    place: int
    low: int
    high: int


def places(best: Best, alpha: float = ALPHA) -> dict[str, Place]:
    """Method -> its place, of all that have runs in every setting, best first.

    The intervals are those of Mogstad, Romano, Shaikh and Wilhelm (Inference for Ranks, Review of Economic Studies 91,
    2024), here from the joint test of all pairs (`Best.tested`), family-wise at level `alpha`.
    """
    means = dict(sorted(best.means.items(), key=lambda item: -item[1]))
    better, worse = dict.fromkeys(means, 0), dict.fromkeys(means, 0)
    for first, second, difference, p, _ in best.tested.itertuples(index=False, name=None):
        if p < alpha and abs(difference) > TIE and first in means and second in means:
            winner, loser = (first, second) if difference > 0 else (second, first)
            better[loser] += 1
            worse[winner] += 1
    return {
        name: Place(1 + sum(other > mean + TIE for other in means.values()), 1 + better[name], len(means) - worse[name])
        for name, mean in means.items()
    }
