"""How declared hyper-parameters are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import HOME

from methods import registry
from methods.hyper import HyperParameter, MethodError, check_declaration, resolve_hyper, with_epochs, without_later
from methods.registry import resolve

SHARE: HyperParameter = {"default": 0.1, "unit": "epochs", "bounds": (0, 1000), "source": "test"}


def check_declarations(hyper: dict[str, Any], where: str) -> None:
    for name, declared in hyper.items():
        check_declaration(name, declared, hyper, where)


@pytest.mark.parametrize(("value", "epochs"), [(5, 5), (1, 1), (1.0, 30), (0.5, 15), (0, 0)])
def test_epochs_are_whole_numbers_or_shares_whatever_the_default_is(value: float, epochs: int) -> None:
    for default in (0.1, 20):
        declared: dict[str, HyperParameter] = {"start": {**SHARE, "default": default}}
        assert with_epochs(declared, resolve_hyper(declared, {"start": value}, "m"), 30) == {"start": epochs}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"type": "float"}, r"m: hyper-parameter 'start': epochs are whole numbers or shares of the run"),
        ({"default": 1.5}, r"m: hyper-parameter 'start' = 1\.5: a share of the run must lie in \[0, 1\]"),
        ({"unit": "steps"}, r"m: hyper-parameter 'start': `unit` = 'steps' \(accepted: epochs\)"),
        ({"later": 2}, r"m: hyper-parameter 'start': `later` = 2 \(accepted: True, False\)"),
        (
            {"headless": {"end": 1}},
            r"m: hyper-parameter 'start': `headless` must be a dictionary of values of other hyper",
        ),
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


LATER: dict[str, HyperParameter] = {
    "penalty": OWN["penalty"],
    "start": {**OWN["start"], "later": True},
    "batch": {"default": None, "type": "int", "source": "test", "later": True},
    "authors_behaviour": SWITCH,
}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, set[str]()),
        ({"penalty": 10.0}, set[str]()),
        ({"start": 0.4}, set[str]()),
        ({"start": 60}, {"start"}),
        ({"batch": 64}, {"batch"}),
        ({"authors_behaviour": True}, set[str]()),
        ({"authors_behaviour": True, "start": 0.4}, {"start"}),
        ({"authors_behaviour": True, "start": 60}, set[str]()),
    ],
)
def test_what_came_later_is_left_out_at_its_default_and_comes_back(given: dict[str, Any], left: set[str]) -> None:
    check_declarations(LATER, "m")
    whole = resolve_hyper(LATER, given, "m")
    held = without_later(LATER, whole)
    assert set(held) == {"penalty", "authors_behaviour"} | left
    assert resolve_hyper(LATER, held, "m") == whole


def test_all_of_the_run_is_not_one_epoch() -> None:
    declared: dict[str, HyperParameter] = {"start": {**SHARE, "default": 1, "later": True}}
    assert without_later(declared, {"start": 1}) == {}
    assert without_later(declared, {"start": 1.0}) == {"start": 1.0}


def test_published_records_hold_what_a_specification_of_their_settings_holds_today() -> None:
    lines = (HOME / "results" / "reference" / "cifar10-lite-methods.jsonl").read_text().splitlines()
    found = {method["name"]: method for method in (json.loads(line)["spec"]["method"] for line in lines)}
    assert len(found) > 25
    for name, method in found.items():
        if method["version"] == registry.info(name).version:
            assert registry.specified(name, method["hyper"]) == method["hyper"]


def test_a_method_read_alone_is_the_one_of_the_whole_list() -> None:
    found = {name: registry._single(name) for name in registry.registered()}
    assert found == registry.registered() and registry._single("no_method") is None
