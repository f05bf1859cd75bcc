"""How declared hyper-parameters are read."""

from __future__ import annotations

from typing import Any

import pytest

from methods.hyper import HyperParameter, MethodError, check_declarations, in_epochs, resolve_hyper
from methods.registry import resolve

SHARE: HyperParameter = {"default": 0.1, "unit": "epochs", "bounds": (0, 1000), "source": "test"}


@pytest.mark.parametrize(("value", "epochs"), [(5, 5), (1, 1), (1.0, 30), (0.5, 15), (0, 0)])
def test_epochs_are_whole_numbers_or_shares_whatever_the_default_is(value: float, epochs: int) -> None:
    for default in (0.1, 20):
        declared: dict[str, HyperParameter] = {"start": {**SHARE, "default": default}}
        assert in_epochs(declared, resolve_hyper(declared, {"start": value}, "m"), 30) == {"start": epochs}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"type": "float"}, r"m: hyper-parameter 'start': epochs are whole numbers or shares of the run"),
        ({"default": 1.5}, r"m: hyper-parameter 'start' = 1\.5: a share of the run must lie in \[0, 1\]"),
        ({"unit": "steps"}, r"m: hyper-parameter 'start': `unit` = 'steps' \(accepted: epochs\)"),
    ],
)
def test_a_wrong_declaration_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(MethodError, match=told):
        check_declarations({"start": {**SHARE, **changed}}, "m")


SWITCH: HyperParameter = {"default": False, "source": "test"}
OWN: dict[str, HyperParameter] = {
    "start": {**SHARE, "default": 0.4, "authors": 60},
    "branch": {"default": "unit", "authors": "plain", "choices": ("unit", "plain"), "source": "test"},
    "penalty": {"default": 10.0, "bounds": (0.0, 100.0), "source": "test"},
    "authors_behaviour": SWITCH,
}


@pytest.mark.parametrize(
    ("given", "start", "branch"),
    [
        ({}, 0.4, "unit"),
        ({"authors_behaviour": False}, 0.4, "unit"),
        ({"authors_behaviour": True}, 60, "plain"),
        ({"authors_behaviour": True, "start": 0.4}, 0.4, "plain"),
        ({"authors_behaviour": True, "branch": "unit"}, 60, "unit"),
        ({"branch": "plain"}, 0.4, "plain"),
    ],
)
def test_the_switch_changes_the_defaults_and_no_given_value(given: dict[str, Any], start: float, branch: str) -> None:
    check_declarations(OWN, "m")
    switch = given.get("authors_behaviour", False)
    assert resolve_hyper(OWN, given, "m") == {
        "start": start, "branch": branch, "penalty": 10.0, "authors_behaviour": switch,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"start": {**SHARE, "authors": 1001}}, r"m: hyper-parameter 'start' = 1001: must lie in \[0, 1000\]"),
        ({"start": {**SHARE, "authors": True}}, r"m: hyper-parameter 'start' = True: expected int, got bool"),
        ({"branch": {**OWN["branch"], "authors": "bare"}}, r"m: hyper-parameter 'branch' = 'bare': accepted: unit, pl"),
        ({"authors_behaviour": {**SWITCH, "default": True}}, r"'start': `authors` needs a hyper-parameter 'authors_be"),
    ],
)
def test_a_wrong_default_of_the_authors_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(MethodError, match=told):
        check_declarations({**OWN, **changed}, "m")


def test_a_default_of_the_authors_needs_the_switch() -> None:
    alone = {key: value for key, value in OWN.items() if key != "authors_behaviour"}
    with pytest.raises(MethodError, match=r"'start': `authors` needs a hyper-parameter 'authors_behaviour' of the met"):
        check_declarations(alone, "m")


@pytest.mark.parametrize("name", ["car", "nal"])
def test_the_authors_car_has_a_plain_branch_and_starts_early(name: str) -> None:
    own, theirs = (resolve(name, given) for given in ({}, {"authors_behaviour": True}))
    assert (own["branch_features"], own["branch_gradient"], own["start"]) == ("unit", False, 0.6)
    assert (theirs["branch_features"], theirs["branch_gradient"], theirs["logit_bound"]) == ("plain", True, 0.0)
    assert theirs["start"] == {"car": 0.12, "nal": 60}[name]
