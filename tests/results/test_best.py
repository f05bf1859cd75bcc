"""What may be bold: the joint test of all pairs of methods, against enumeration and by simulation."""

from __future__ import annotations

import itertools
import runpy

import numpy as np
import pytest
from command_line import HOME
from synthetic_runs import many_runs, runs_of

from results import statistics
from results.best import best
from results.inference import sign_flip_test
from results.joint_flips import joint_sign_flips
from results.places import Place, places


def test_bold_marks_all_that_the_test_does_not_separate_from_the_best() -> None:
    runs = many_runs({"a": 0.1, "b": 0.0997, "c": 0.0}, settings=4, datasets=1, seeds=3)
    found = best(runs)
    assert found.method in ("a", "b")
    assert found.bold == {"a", "b"}
    assert found.reason == ""
    dropped = runs[~((runs["method"] == "b") & (runs["setting"] == "setting 0"))]
    found = best(dropped)
    assert found.incomplete == ("b",)
    assert "b" not in found.bold
    runs = many_runs({"a": 0.1, "b": 0.05, "c": 0.0}, settings=4, datasets=1, seeds=3)
    few = runs[~((runs["method"] == "b") & (runs["seed"] > 0))]  # b: one seed, four pairs
    found = best(few)
    assert (found.method, found.untested, found.bold) == ("a", ("b",), {"a", "b"})


def test_nothing_is_bold_where_nothing_can_be_tested() -> None:
    found = best(many_runs({"a": 0.2, "b": 0.1, "c": 0.0}, settings=1, datasets=1, seeds=3))
    assert (found.method, found.bold) == ("a", frozenset())
    assert found.reason == "not testable: 3 pairs of (setting, seed), at least 6 are needed"


def test_too_few_pairs_are_not_testable_though_all_be_equal() -> None:
    found = best(runs_of({name: {("d", "s"): [0.5]} for name in ("a", "b")}))
    assert (found.method, found.bold) == ("a", frozenset())
    assert found.reason == "not testable: 1 pair of (setting, seed), at least 6 are needed"


def test_six_pairs_of_unequal_size_can_reach_too_little() -> None:
    """The differences of one setting decide alone, so that the signs of three pairs are all that counts."""
    near, far = [0.7, 0.71, 0.72], [0.5, 0.52, 0.54]
    runs = runs_of({
        "a": {("d", "s"): near, ("d", "t"): far},
        "b": {("d", "s"): [x - 0.01 for x in near], ("d", "t"): [x - 0.2 for x in far]},
        "c": {("d", "s"): [x - 0.1 for x in near], ("d", "t"): [x - 0.01 for x in far]},
    })  # fmt: skip
    found = best(runs)
    assert (found.method, found.bold) == ("a", frozenset())
    assert found.reason.startswith("not testable: 6 pairs of (setting, seed) can reach no p below 0.")
    assert found.reason.endswith(" over all pairs of methods")
    assert (found.table["smallest"] >= 0.05).all() and (found.table["p"] < 0.05).all()


def test_a_single_method_has_no_best() -> None:
    found = best(many_runs({"a": 0.2}, 2, 1, 3), methods=["a", "b"])
    assert found.method is None
    assert found.incomplete == ("b",)
    assert "fewer than two" in found.reason


def test_most_must_be_testable() -> None:
    runs = many_runs({"a": 0.2, "b": 0.19, "c": 0.0}, settings=4, datasets=1, seeds=3)
    found = best(runs[(runs["method"] == "a") | (runs["seed"] == 0)])
    assert (found.method, found.bold) == ("a", frozenset())
    assert "4 pairs of (setting, seed), at least 6 are needed" in found.reason


@pytest.mark.parametrize("seed", range(3))
def test_a_rival_that_wins_where_more_seeds_are_keeps_its_bold(seed: int) -> None:
    """B is a point above A in the setting of 20 seeds and three below in that of two: A leads, B is not worse."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0.8, 0.003, 20), rng.normal(0.8, 0.003, 2)
    runs = runs_of({
        "cross_entropy": {("d", "s"): list(first - 0.1), ("d", "t"): list(second - 0.1)},
        "a": {("d", "s"): list(first), ("d", "t"): list(second)},
        "b": {("d", "s"): list(first + 0.01), ("d", "t"): list(second - 0.03)},
    })  # fmt: skip
    found = best(runs)
    assert (found.method, found.bold) == ("a", {"a", "b"})
    row = found.table.set_index("method").loc["b"]
    assert row["difference"] == pytest.approx(-0.01) == pytest.approx(found.means["b"] - found.means["a"])
    assert row["p"] > 0.4 and row["p_joint"] > 0.4


def test_a_rival_that_the_pairs_favour_is_not_worse() -> None:
    """B lacks the seeds in which all are best: behind by its mean, ahead in every pair."""
    lucky, usual = [0.9] * 4, [0.5 + 0.001 * n for n in range(6)]
    places = {("d", f"s{n}"): usual + lucky for n in range(3)}
    runs = runs_of({"a": places, "b": {at: [x + 0.01 for x in usual] for at in places}, "c": {
        at: [0.2] * 10 for at in places}})  # fmt: skip
    found = best(runs)
    row = found.table.set_index("method").loc["b"]
    assert found.method == "a" and row["difference"] > 0 and row["p_joint"] < 0.05
    assert found.bold == {"a", "b"}


def test_of_equal_means_the_first_row_is_the_best() -> None:
    hits = {"a": [361, 362, 365], "b": [365, 361, 362], "c": [340, 341, 342]}
    for order in (["a", "b", "c"], ["b", "a", "c"]):
        runs = runs_of({m: {("d", f"s{n}"): [h / 400 for h in hits[m]] for n in range(4)} for m in order})
        assert best(runs, order).method == order[0]


def test_all_equal_methods_are_all_bold() -> None:
    found = best(runs_of({name: {("d", f"s{n}"): [0.5] * 2 for n in range(4)} for name in "abc"}))
    assert found.bold == {"a", "b", "c"}
    assert list(found.table["note"]) == ["all equal"] * 2
    assert list(found.table["p_joint"]) == [1, 1]


def _step_down(blocks: np.ndarray) -> list[float]:
    """Westfall and Young's p by all sign vectors, one comparison after the other."""
    scale = np.sqrt((blocks**2).sum(0))
    vectors = list(itertools.product((-1, 1), repeat=len(blocks)))
    observed = np.abs(blocks.sum(0)) / scale
    p, running = [0.0] * len(scale), 0.0
    left = list(np.argsort(-observed))
    while left:
        largest = [max(abs(np.dot(signs, blocks[:, i])) / scale[i] for i in left) for signs in vectors]
        running = max(running, sum(value >= observed[left[0]] - 1e-9 for value in largest) / len(vectors))
        p[left.pop(0)] = running
    return p


def test_the_joint_test_by_hand() -> None:
    values = np.random.default_rng(3).normal(0, 1, (7, 4)) + np.array([0.0, 0.5, 1.0, 2.0])
    blocks = np.stack([values[:, i] - values[:, j] for i, j in itertools.combinations(range(4), 2)], axis=1)
    blocks[0, 2] = 0.0  # a block that one comparison lacks
    found = joint_sign_flips(blocks)
    assert (found.exact, found.vectors) == (True, 64)
    assert found.p.tolist() == pytest.approx(_step_down(blocks))
    alone = joint_sign_flips(blocks[:, :1])
    assert alone.p[0] == sign_flip_test(blocks[:, 0]).p
    assert alone.smallest[0] == 2 / 2**7


def test_drawn_vectors_agree_with_all_and_are_the_same_every_time() -> None:
    values = np.random.default_rng(5).normal(0.4, 1, (14, 6))
    every, drawn = joint_sign_flips(values), joint_sign_flips(values, vectors=4000)
    assert every.exact and not drawn.exact
    np.testing.assert_allclose(drawn.p, every.p, atol=0.03)
    assert joint_sign_flips(values, vectors=4000).p.tolist() == drawn.p.tolist()
    assert drawn.p.min() >= 1 / 4000


def test_nothing_to_compare() -> None:
    assert joint_sign_flips(np.zeros((8, 2))).p.tolist() == [1, 1]
    assert len(joint_sign_flips(np.zeros((0, 0))).p) == 0


def test_the_simulation_tells_tests_apart() -> None:
    tool = runpy.run_path(str(HOME / "tools" / "simulate_bold.py"))
    tests = [tool["together"](64), tool["each_of_all_pairs"], tool["each_against_the_best"]]
    for test in tests:
        any_worse, share = tool["tables"](test, 3, 3, 10, gap=5.0)
        assert (any_worse, share) == (1, 1)
        assert tool["tables"](test, 3, 3, 10)[0] < 0.5
    worse = tests[0](np.array([[0.0, 5.0, 0.1]] * 12), 1)
    assert worse.tolist() == [True, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("methods", [5, 31])
@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_methods_lose_their_bold_in_one_table_of_twenty_at_most(methods: int, seeds: int) -> None:
    """10,000 tables of five settings, as cifar10-lite has them. Any method that is not bold is an error."""
    tables = 10_000
    wrong = simulated_errors(methods, seeds, tables)
    assert wrong / tables <= 0.05 + 2 * (0.05 * 0.95 / tables) ** 0.5
    assert wrong > 0.02 * tables  # a test that never says anything would hold the level too


def simulated_errors(methods: int, seeds: int, tables: int, settings: int = 5) -> int:
    """In how many tables of equal methods some method is significantly worse than the best."""
    rng = np.random.default_rng(1000 * methods + seeds)
    first, second = np.triu_indices(methods, 1)
    wrong = 0
    for _ in range(tables):
        values = rng.normal(0, 1, (settings * seeds, methods))
        winner = int(values.sum(0).argmax())
        of_winner = (first == winner) | (second == winner)
        found = joint_sign_flips(values[:, first] - values[:, second], vectors=200)
        wrong += bool((found.p[of_winner] <= statistics.ALPHA).any())
    return wrong


def test_places_have_the_interval_that_the_tests_leave_open() -> None:
    runs = many_runs({"a": 0.1, "b": 0.0997, "c": 0.0}, settings=4, datasets=1, seeds=3)
    found = places(best(runs))
    assert list(found)[2] == "c" and found["c"] == Place(3, 3, 3)
    assert {(found[name].low, found[name].high) for name in ("a", "b")} == {(1, 2)}
    assert sorted(place.place for place in found.values()) == [1, 2, 3]
    few = places(best(many_runs({"a": 0.2, "b": 0.1, "c": 0.0}, settings=1, datasets=1, seeds=3)))
    assert list(few.values()) == [Place(1, 1, 3), Place(2, 1, 3), Place(3, 1, 3)]  # nothing can be tested
    tied = places(best(runs_of({name: {("d", "s"): [0.5, 0.6]} for name in ("a", "b")})))
    assert list(tied.values()) == [Place(1, 1, 2), Place(1, 1, 2)]
    hole = runs[~((runs["method"] == "b") & (runs["setting"] == "setting 0"))]
    assert places(best(hole)).keys() == {"a", "c"}
