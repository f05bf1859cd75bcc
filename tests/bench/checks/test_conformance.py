"""Every registered method passes its conformance checks; the costly ones are marked slow."""

from __future__ import annotations

import functools

import pytest

from bench.checks.check import CHECKS, run_check
from bench.checks.problem import in_short
from bench.checks.subject import Subject
from methods import registry
from methods.registry import HyperParameter, Value

QUICK = (
    "reach",
    "loss",
    "gradients",
    "predictions",
    "scores",
    "inputs",
    "truth",
    "state",
    "global_generators",
    "bounds",
)
METHODS = list(registry.registered())


@functools.lru_cache(maxsize=1)  # the tests of one method come one after the other and share its base run
def subject(method: str) -> Subject:
    return Subject(method)


@pytest.mark.parametrize(
    ("method", "check"),
    [
        pytest.param(method, check, marks=() if check in QUICK else pytest.mark.slow)
        for method in METHODS
        for check in CHECKS
    ],
)
def test_check(method: str, check: str) -> None:
    found = run_check(check, subject(method))
    assert found.status != "failed", found.seen


DELAY: HyperParameter = {"default": 0, "unit": "epochs", "bounds": (0, 1000), "source": "test"}


@pytest.mark.parametrize(
    ("default", "want"),
    [(0, 0), (1, 1), (50, 2), (100, 4), (200, 8), (0.001, 1 / 8), (0.25, 0.25), (0.3, 2 / 8), (0.5, 0.5), (None, None)],
)
def test_delays_shrink_with_the_run_but_not_to_nothing(default: Value, want: Value) -> None:
    assert in_short("delay", {**DELAY, "default": default}, epochs=8) == want


def test_other_settings_stay() -> None:
    assert in_short("factor", {"default": 50, "source": "test"}, epochs=8) == 50
