"""Every registered method passes its conformance checks; the costly ones are marked slow."""

from __future__ import annotations

import functools

import pytest

from bench.check import CHECKS, run_check
from bench.check_subject import Subject
from methods import registry

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
