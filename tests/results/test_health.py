"""Whether a run is sound, judged from what is recorded of it: curves, tracebacks, the key `health`."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from common.record import Record
from results import frame as frames
from results import health
from results.record import StoreError, dumps
from results.store import Store
from results.validation import validate
from tests.synthetic_records import make_plan, make_record, make_spec

MEASURED: dict[str, Any] = {
    "loss": {"median": 1.5, "largest": 42.0, "largest_epoch": 1},
    "gradient": {"median": 2.0, "largest": 8550.0, "largest_epoch": 2},
    "skipped": 0.25,
    "first_above_chance": 2,
    "saturated": {"confidence": 0.98},
    "collapsed": None,
    "epochs": {
        "loss_median": [2.0, 1.5, 1.4],
        "loss_largest": [42.0, 3.0, 2.0],
        "gradient_median": [2.0, 2.0, 1.0],
        "gradient_largest": [10.0, 8550.0, 3.0],
        "skipped": [0.5, 0.25, 0.0],
    },
}


def validation(*values: Any) -> dict[str, Any]:
    return {"epoch": list(range(1, len(values) + 1)), "noisy_validation_accuracy": list(values)}


def on_test(*values: Any) -> dict[str, Any]:
    return {"epoch": list(range(1, len(values) + 1)), "test_accuracy": list(values)}


CASES: dict[str, tuple[dict[str, Any], int, int | None]] = {
    "learns": (validation(0.1, 0.3, 0.5), 10, None),
    "falls to chance": (validation(0.3, 0.4, 0.1, 0.12), 10, 3),
    "at chance in between": (validation(0.3, 0.1, 0.4, 0.5), 10, None),
    "at chance only at the end": (validation(0.3, 0.4, 0.15), 10, 3),
    "just above 1.5 times chance": (validation(0.3, 0.2, 0.151), 10, None),
    "never learns": (validation(0.1, 0.1, 0.1), 10, 1),
    "one epoch, not learnt yet": (validation(0.11), 10, 1),
    "one epoch, learnt": (validation(0.21), 10, None),
    "falls by 21 points": (validation(0.3, 0.71, 0.49, 0.5), 10, 3),
    "falls by 20 points": (validation(0.9, 0.7), 10, None),
    "falls far, then to chance": (validation(0.8, 0.5, 0.1), 10, 2),
    "below its later best": (validation(0.3, 0.8, 0.7), 10, None),
    "test set falls by 21 points": (on_test(0.8, 0.5), 10, None),
    "test set falls to chance": (on_test(0.8, 0.5, 0.1), 10, 3),
    "test set alone at chance, as where validation is unbalanced": (validation(0.4, 0.4) | on_test(0.3, 0.1), 10, 2),
    "noise that hides what is learnt": (validation(0.1, 0.1) | on_test(0.6, 0.8), 10, None),
    "noise, and little is learnt": (validation(0.013, 0.015) | on_test(0.018, 0.019), 100, 1),
    "2 classes, sound": (validation(0.5, 0.7), 2, None),
    "2 classes, guessing": (validation(0.7, 0.54), 2, 2),
    "2 classes, a little above": (validation(0.7, 0.56), 2, None),
    "4 classes, guessing": (validation(0.6, 0.32), 4, 2),
    "4 classes, a little above": (validation(0.5, 0.34), 4, None),
    "1 class": (validation(1.0, 1.0), 1, None),
    "no curve": ({"epoch": [1, 2]}, 10, None),
    "no epoch": (validation(), 10, None),
    "nothing known": (validation(None, math.nan), 10, None),
    "not known at the end": (validation(0.4, 0.1, None), 10, 2),
    "not known in between": (validation(0.4, 0.1, math.nan, 0.1), 10, 2),
    "not finite": (validation(0.4, math.inf, 0.1), 10, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_when_a_run_collapsed(case: str) -> None:
    curves, classes, epoch = CASES[case]
    found = health.collapse(curves, classes)
    assert (found and found["epoch"]) == epoch


def test_why_a_run_collapsed() -> None:
    def reason(curves: dict[str, Any]) -> str:
        found = health.collapse(curves, 10)
        assert found is not None and set(found) == {"epoch", "reason"}
        return str(found["reason"])

    assert reason(validation(0.3, 0.1)) == "10.0% on noisy validation at the end, chance is 10.0%"
    assert reason(validation(0.11)) == "never above chance: 11.0% on noisy validation at the end, chance is 10.0%"
    assert reason(validation(0.8, 0.5)) == "50.0% on noisy validation at the end, 80.0% at best"
    assert reason(on_test(0.3, 0.1)) == "10.0% on the test images at the end, chance is 10.0%"


def test_a_search_does_not_look_at_the_test_images() -> None:
    hidden = validation(0.1, 0.1) | on_test(0.6, 0.8)
    assert health.collapse_on_validation(hidden, 10) == health.collapse(validation(0.1, 0.1), 10) is not None
    assert health.collapse_on_validation(validation(0.4, 0.4) | on_test(0.3, 0.1), 10) is None
    assert health.collapse_on_validation(on_test(0.1), 10) is None


@pytest.mark.parametrize(
    ("accuracies", "classes", "epoch"),
    [
        ([0.1, 0.2, 0.21], 10, 3),
        ([0.1, 0.2], 10, None),
        ([0.5, 0.59, 0.61], 2, 3),
        ([0.3, 0.36, 0.41], 4, 3),
        ([None, math.nan, 0.5], 10, 3),
        ([], 10, None),
        ([1.0], 1, None),
    ],
)
def test_when_a_run_began_to_learn(accuracies: list[Any], classes: int, epoch: int | None) -> None:
    assert health.first_above_chance(accuracies, classes) == epoch


@pytest.mark.parametrize("classes", range(2, 200))
def test_the_bounds_lie_between_chance_and_everything(classes: int) -> None:
    near, learnt = (health.bound(classes, share) for share in (health.NEAR_CHANCE, health.ABOVE_CHANCE))
    assert 1 / classes < near < learnt < 1
    if classes >= 6:
        assert (near, learnt) == pytest.approx((1.5 / classes, 2 / classes))


HEAD = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\n'
TRACEBACKS: dict[str, tuple[str, bool, int | None]] = {
    "as raised": (f"{HEAD}FloatingPointError: the training loss is not finite\n", True, None),
    "with its epoch": (f"{HEAD}FloatingPointError: not finite in epoch 3, step 24\n", True, 3),
    "of several lines": (f"{HEAD}FloatingPointError: not finite\nin epoch 12: loss 1e30\nlower the rate\n", True, 12),
    "its line alone": ("FloatingPointError: the training loss is not finite", True, None),
    "another": (f"{HEAD}ValueError: FloatingPointError in epoch 3\n", False, None),
    "another in handling it": (f"{HEAD}FloatingPointError: a\n\nDuring handling\n\n{HEAD}OSError: full\n", False, None),
    "in handling another": (f"{HEAD}KeyError: 1\n\nDuring handling\n\n{HEAD}FloatingPointError: a\n", True, None),
    "cut short": ("Traceback (most recent call last):\n", False, None),
    "empty": ("", False, None),
}


@pytest.mark.parametrize("case", TRACEBACKS)
def test_what_is_a_divergence(case: str) -> None:
    traceback, expected, epoch = TRACEBACKS[case]
    assert health.is_divergence(traceback) == expected
    assert health.divergence_epoch(traceback) == epoch
    assert health.diverged({"a": traceback}) == ({"a": epoch} if expected else {})


def measured(**changes: Any) -> Record:
    record, _ = make_record(make_spec("elr", "symmetric", 0.5, 0, epochs=3), size=40)
    return record | {"health": copy.deepcopy(MEASURED) | changes}


def test_a_record_with_and_without_health_is_whole() -> None:
    validate(measured())
    validate(measured(collapsed={"epoch": 2, "reason": "at chance"}))
    validate(measured(gradient={"median": None, "largest": None, "largest_epoch": None}, more="of a later version"))
    record = measured()
    del record["health"]["collapsed"], record["health"]["first_above_chance"]  # then the curves tell
    validate(record)
    assert health.of_record(record) == health.judge(record["curves"], 10)
    del record["health"]
    validate(record)
    assert health.of_record(record) == health.judge(record["curves"], 10)
    assert '"health"' not in dumps(record)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"loss": MEASURED["loss"] | {"median": "1"}}, "'health.loss.median' must be int or"),
    "missing": ({"gradient": {"median": 1.0}}, "'health.gradient.largest' is missing"),
    "epoch": ({"loss": MEASURED["loss"] | {"largest_epoch": 1.5}}, "'health.loss.largest_epoch' must be int"),
    "part": ({"loss": None}, "'health.loss.median' is missing"),
    "share": ({"skipped": 1.5}, "'health.skipped' must be a share in"),
    "saturated": ({"saturated": {"confidence": -1}}, "'health.saturated.confidence' must be a share in"),
    "switch": ({"skipped": True}, "'health.skipped' must be int or float, not bool"),
    "first": ({"first_above_chance": "2"}, "'health.first_above_chance' must be int"),
    "collapsed": ({"collapsed": True}, "'health.collapsed' must be dict"),
    "reason": ({"collapsed": {"epoch": 1}}, "'health.collapsed.reason' is missing"),
    "length": ({"epochs": {"loss_median": [1.0]}}, "'health.epochs.loss_median' must be a list of 3 values"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_record_with_malformed_health_is_refused(case: str, tmp_path: Path) -> None:
    changes, message = FAULTS[case]
    record = measured(**changes)
    with pytest.raises(StoreError, match=message):
        Store(tmp_path).publish(record, None)
    assert not list(tmp_path.iterdir())
    validated = json.loads(json.dumps(record))
    with pytest.raises(StoreError, match=r"^a\.json: key "):
        validate(validated, "a.json")


def test_health_that_is_no_object_is_refused() -> None:
    with pytest.raises(StoreError, match=r"'health\.loss\.median' is missing"):
        validate(measured() | {"health": []})


def test_the_frame_judges_old_records_as_it_does_new_ones(tmp_path: Path) -> None:
    store = Store(tmp_path)
    new = measured(collapsed={"epoch": 2, "reason": "at chance"})
    old, _ = make_record(make_spec("car", "symmetric", 0.5, 0, epochs=3), size=40)
    fallen, _ = make_record(make_spec("gce", "symmetric", 0.5, 0, epochs=3), size=40)
    fallen["curves"] |= {"noisy_validation_accuracy": [0.4, 0.1, 0.1], "test_accuracy": [0.5, 0.1, 0.1]}
    for record in (new, old, fallen):
        store.publish(record, None)
    store.write_plan(make_plan([record["spec"] for record in (new, old, fallen)]))
    for frame in (frames.load(tmp_path), frames.load(tmp_path)):  # the second one from the cache
        rows = frame.set_index("method")
        assert rows["collapsed_epoch"].astype(object).where(rows["collapsed_epoch"].notna(), None).to_dict() == {
            "elr": 2, "car": None, "gce": 2,
        }  # fmt: skip
        assert rows.loc["elr", "collapsed_reason"] == "at chance"
        assert rows.loc["car", "collapsed_reason"] == ""
        assert rows.loc["gce", "collapsed_reason"] == "10.0% on noisy validation at the end, chance is 10.0%"
        assert rows.loc["elr", ["first_above_chance", "loss_largest", "gradient_largest", "skipped"]].tolist() == [
            2, 42.0, 8550.0, 0.25,
        ]  # fmt: skip
        assert rows.loc["car", ["loss_median", "gradient_median", "skipped"]].isna().all()
        assert rows.loc["car", "first_above_chance"] == 1  # its curve of training accuracy tells
    curves = frames.curves(tmp_path)
    own = curves[(curves["address"] == new["address"]) & (curves["quantity"] == "health.gradient_largest")]
    assert own["value"].tolist() == [10.0, 8550.0, 3.0]
