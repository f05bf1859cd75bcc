"""Intervals, exact tests and what may be bold, against scipy and cases counted by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from synthetic_runs import many_runs, runs_of

from results import statistics
from results.statistics import MINIMUM_PAIRS, holm, paired_interval, sign_flip_test


def _by_enumeration(differences: list[float]) -> float:
    observed = abs(sum(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in itertools.product((-1, 1), repeat=len(differences))]  # fmt: skip
    return sum(value >= observed - 1e-12 for value in sums) / len(sums)


def test_the_paired_interval_is_that_of_the_t_test() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.8, 0.02, 5), rng.normal(0.78, 0.02, 5)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert paired_interval(first - second) == pytest.approx((expected.low, expected.high))


def test_the_paired_interval_by_hand() -> None:
    # differences 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.3027, half width 4.3027 / sqrt(3)
    assert paired_interval([1, 2, 3]) == pytest.approx((2 - 2.48414, 2 + 2.48414), abs=1e-4)


@pytest.mark.parametrize("count", [0, 1])
def test_no_interval_is_invented_for_fewer_than_two(count: int) -> None:
    assert all(math.isnan(bound) for bound in paired_interval([0.1] * count))


def test_sign_flip_by_hand() -> None:
    # six equal positive differences: only the two extreme vectors reach the sum
    assert sign_flip_test([0.01] * 6).p == 2 / 64
    # one of six negative: |sum| >= 4 needs at most one odd sign on either side: 2 (1 + 6) of 64
    assert sign_flip_test([0.01] * 5 + [-0.01]).p == 14 / 64
    # 1, 2, 3, 4, 5, -6: sum 9; by counting subsets of {1..6} whose sum is at least 15 (or at most 6), 14 each side
    assert sign_flip_test([1, 2, 3, 4, 5, -6]).p == _by_enumeration([1, 2, 3, 4, 5, -6]) == 28 / 64


@pytest.mark.parametrize("count", [6, 7, 10, 13])
@pytest.mark.parametrize("kind", ["normal", "rounded", "with zeros"])
def test_sign_flip_equals_full_enumeration(count: int, kind: str) -> None:
    values = np.random.default_rng(count).normal(0.01, 0.02, count)
    if kind != "normal":
        values = values.round(2)
    if kind == "with zeros":
        values[:2] = 0
    found = sign_flip_test(values)
    assert found.p == pytest.approx(_by_enumeration(values.tolist()), abs=1e-12)
    assert found.n == count
    assert found.smallest == 2 / 2**count
    assert found.resolution == 0


def test_sign_flip_equals_scipy() -> None:
    values = np.random.default_rng(5).normal(0.3, 1, 9)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_test(values).p == pytest.approx(expected.pvalue)
    ranks = stats.rankdata(np.abs(values)) * np.sign(values)
    assert sign_flip_test(ranks).p == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


@pytest.mark.parametrize(("count", "positive"), [(30, 22), (36, 25), (37, 26), (60, 41), (400, 240)])
def test_sign_flip_of_equal_sizes_is_the_binomial_test(count: int, positive: int) -> None:
    values = np.where(np.arange(count) < positive, 0.0125, -0.0125)
    assert sign_flip_test(values).p == pytest.approx(stats.binomtest(positive, count).pvalue)


def test_both_ways_of_counting_agree() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0.01, 0.03, 36).round(6)
    padded = np.append(values, 1e-6)  # one more, too small to matter where no sums are tied, moves the test to the grid
    assert sign_flip_test(padded).p == pytest.approx(sign_flip_test(values).p, rel=1e-3)
    assert sign_flip_test(padded).resolution == 0


def test_many_unrounded_differences_say_their_resolution_and_stay_conservative() -> None:
    values = np.random.default_rng(4).normal(0.004, 0.02, 50)
    found = sign_flip_test(values)
    normal = 2 * stats.norm.sf(abs(values.sum()) / math.sqrt((values**2).sum()))
    assert found.resolution == 1e-6
    assert found.p == pytest.approx(normal, abs=0.01)
    wide = sign_flip_test(values * 100)
    assert wide.resolution > 1e-6
    assert wide.p == pytest.approx(found.p, abs=1e-3)
    assert wide.p >= found.p - 1e-12


@pytest.mark.parametrize("count", range(MINIMUM_PAIRS))
def test_below_six_pairs_nothing_is_tested(count: int) -> None:
    found = sign_flip_test([0.1] * count)
    assert not found.testable
    assert math.isnan(found.p)


def test_no_difference_at_all_gives_one() -> None:
    assert sign_flip_test([0.0] * 8).p == 1
    assert sign_flip_test([1e-15, -1e-16] * 4).p == 1


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.01, math.nan, 0.6]), [0.03, math.nan, 1.0])
    np.testing.assert_allclose(holm([0.01], family=5), [0.05])
    assert len(holm([])) == 0


def test_pairs_need_equal_seed_and_fingerprint() -> None:
    runs = runs_of({"a": {("d", "s"): [0.7, 0.8, 0.9]}, "b": {("d", "s"): [0.6, 0.6]}})
    paired = statistics.differences(runs, "a", "b")
    assert paired["difference"].tolist() == pytest.approx([0.1, 0.2])
    runs.loc[(runs["method"] == "b") & (runs["seed"] == 1), "fingerprint"] = "another"
    assert statistics.differences(runs, "a", "b")["seed"].tolist() == [0]
    runs.loc[runs["seed"] == 0, "value"] = math.nan
    assert statistics.differences(runs, "a", "b").empty


def test_per_cell_shows_unequal_n_and_says_not_testable() -> None:
    runs = runs_of({
        "cross_entropy": {("d", "s"): [0.5, 0.6, 0.7], ("d", "t"): [0.5] * 7},
        "elr": {("d", "s"): [0.7], ("d", "t"): [0.6, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66]},
        "gce": {("d", "s"): [0.6, 0.8]},
    })  # fmt: skip
    assert statistics.baseline(runs) == "cross_entropy"
    table = statistics.per_cell(runs, "cross_entropy").set_index(["method", "setting"])
    one, two, seven = table.loc[("elr", "s")], table.loc[("gce", "s")], table.loc[("elr", "t")]
    assert (one["n"], two["n"], seven["n"]) == (1, 2, 7)
    assert one["note"] == two["note"] == "not testable"
    assert math.isnan(one["low"])
    assert math.isnan(one["p"])
    assert two["low"] < two["difference"] < two["high"]
    assert math.isnan(two["p"])
    assert seven["note"] == ""
    assert seven["p"] == 2 / 2**7
    assert seven["p_holm"] == 3 * 2 / 2**7


def test_against_declares_its_family_and_counts_wins() -> None:
    runs = many_runs({"cross_entropy": 0.0, "good": 0.1, "same": 0.0001}, settings=4, datasets=1, seeds=3)
    table = statistics.against(runs, "cross_entropy").set_index("method")
    assert table.loc["good", "n"] == 12
    assert table.loc["good", "p"] == 2 / 2**12
    assert table.loc["good", "p_holm"] == 2 * 2 / 2**12
    assert table.loc["good", "smallest"] == 2 * 2 / 2**12
    assert tuple(table.loc["good", ["wins", "ties", "losses"]]) == (4, 0, 0)
    assert table.loc["same", "p_holm"] > 0.05
    wider = statistics.against(runs, "cross_entropy", ["good", "same", "planned"]).set_index("method")
    assert wider.loc["good", "p_holm"] == 3 * 2 / 2**12
    assert wider.loc["planned", "note"] == "not testable"
    assert wider.loc["planned", "n"] == 0
    other = statistics.wins(runs).set_index(["method", "other"])
    assert tuple(other.loc[("cross_entropy", "good")]) == (0, 0, 4)


def test_settings_weigh_alike_however_many_seeds_they_have() -> None:
    many, few = [0.81] * 20, [0.77] * 2
    runs = runs_of({"a": {("d", "s"): [0.8] * 20, ("d", "t"): [0.8] * 2}, "b": {("d", "s"): many, ("d", "t"): few}})
    test = statistics.setting_test(statistics.differences(runs, "b", "a"))
    assert test.mean == pytest.approx((0.01 - 0.03) / 2)
    # 20 differences of .01 / 40 and two of .03 / 4: reached where both of the two have one sign, but for rounding
    assert test.p == pytest.approx(0.5, abs=1e-3)
    row = statistics.against(runs, "a").iloc[0]
    assert row["difference"] == test.mean and row["p"] == test.p
    equal = statistics.differences(many_runs({"a": 0.1, "b": 0.0}, 3, 1, 4), "a", "b")
    assert statistics.setting_weights(equal).tolist() == [1] * 12
    assert statistics.setting_test(equal) == sign_flip_test(equal["difference"])


def test_the_weighted_test_counts_all_sign_vectors() -> None:
    rng = np.random.default_rng(1)
    values, weights = rng.normal(0.01, 0.02, 9).round(3), np.array([3.0] * 5 + [1.0] * 4)
    found = sign_flip_test(values, weights)
    assert found.p == pytest.approx(_by_enumeration((values * weights).tolist()), abs=1e-12)
    assert found.mean == pytest.approx(float((values * weights).sum() / weights.sum()))


def test_no_difference_at_all_is_said() -> None:
    runs = runs_of({name: {("d", "s"): [0.5] * 3, ("d", "t"): [0.6] * 3} for name in ("cross_entropy", "elr")})
    assert list(statistics.against(runs, "cross_entropy")["note"]) == ["all equal"]
    assert list(statistics.per_cell(runs, "cross_entropy")["note"]) == ["all equal"] * 2
