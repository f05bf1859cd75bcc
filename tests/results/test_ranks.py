"""Mean ranks and critical differences, against scipy and published constants."""

from __future__ import annotations

import math
import warnings

import pytest
from scipy import stats
from synthetic_runs import many_runs, runs_of

from results.ranks import critical_difference


def test_critical_difference_needs_ten_settings_of_two_data_sets() -> None:
    methods = {"a": 0.2, "b": 0.1, "c": 0.0}
    for settings, datasets, words in ((9, 2, "10 settings"), (10, 1, "2 data sets")):
        found = critical_difference(many_runs(methods, settings, datasets, 1))
        assert words in found.reason
        assert found.ranks == {}
    assert "3 methods" in critical_difference(many_runs({"a": 0.2, "b": 0.1}, 10, 2, 1)).reason


def test_critical_difference_against_published_constants() -> None:
    found = critical_difference(
        many_runs({"a": 0.2, "b": 0.15, "c": 0.1, "d": 0.05, "e": 0.0}, settings=30, datasets=2, seeds=2)
    )
    assert found.reason == ""
    assert found.settings == 30
    assert list(found.ranks.values()) == [1, 2, 3, 4, 5]
    assert list(found.ranks) == ["a", "b", "c", "d", "e"]
    assert found.titles == {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}
    assert found.distance == pytest.approx(2.728 * math.sqrt(5 * 6 / (6 * 30)), abs=1e-3)  # Demsar 2006, table 5
    assert found.groups == (("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"))
    assert found.p < 1e-20


def test_rows_of_one_title_are_ranked_each() -> None:
    runs = many_runs({"elr": 0.3, "elr-long": 0.2, "gce": 0.1, "mixup": 0.0}, settings=12, datasets=2, seeds=2)
    runs["title"] = runs["title"].replace("ELR-LONG", "ELR")
    found = critical_difference(runs)
    assert found.ranks == {"elr": 1, "elr-long": 2, "gce": 3, "mixup": 4}
    assert list(found.titles.values()) == ["ELR (elr)", "ELR (elr-long)", "GCE", "MIXUP"]


def test_friedman_is_scipys() -> None:
    runs = many_runs({"a": 0.003, "b": 0.001, "c": 0.0}, settings=12, datasets=3, seeds=1)
    means = runs.pivot_table(index=["dataset", "setting"], columns="method", values="value")
    expected = stats.friedmanchisquare(means["a"], means["b"], means["c"]).pvalue
    assert critical_difference(runs).p == pytest.approx(expected)


def test_equally_many_hits_share_a_rank() -> None:
    """The same hits of 400 in other seeds: their float means differ in the last bit."""
    hits = {"a": [361, 362, 365], "b": [365, 361, 362], "worse": [340, 341, 342]}
    assert len({sum(h / 400 for h in hits[name]) / 3 for name in "ab"}) == 2
    places = [(f"set{n % 2}", f"s{n}") for n in range(12)]
    found = critical_difference(runs_of({m: {at: [h / 400 for h in hits[m]] for at in places} for m in hits}))
    assert found.ranks == {"a": 1.5, "b": 1.5, "worse": 3}
    assert found.p == pytest.approx(6.1e-6, rel=0.02)


def test_all_equal_is_no_warning_and_no_nan() -> None:
    places = [(f"set{n % 2}", f"s{n}") for n in range(12)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = critical_difference(runs_of({name: {place: [0.5] for place in places} for name in "abc"}))
    assert found.all_equal and found.p == 1
    assert found.ranks == {"a": 2, "b": 2, "c": 2}
    assert not critical_difference(many_runs({"a": 0.2, "b": 0.1, "c": 0.0}, 12, 2, 1)).all_equal


def test_who_is_left_out_is_told_with_what_it_lacks() -> None:
    runs = many_runs({"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.0}, settings=12, datasets=2, seeds=2)
    runs.loc[(runs["method"] == "d") & (runs["setting"] == "setting 3"), "value"] = math.nan
    found = critical_difference(runs, {"a": "A", "never": "Never run"})
    assert list(found.ranks) == ["a", "b", "c"]
    assert found.left_out["D"] == (("set1", "setting 3"),)
    assert len(found.left_out["Never run"]) == 12
    assert critical_difference(runs[runs["setting"] < "setting 1"]).left_out == {}
