"""Losses and label tables against numbers that public reference implementations gave (`NOISY_BENCH_GOLDEN2`)."""

from __future__ import annotations

import json
from typing import Any

import golden2_losses as golden2
import pytest
import torch
from golden_support import Case, compare

from methods.peer_loss import peer_strength

FOUND = golden2.FOLDER.is_dir()
pytestmark = pytest.mark.skipif(not FOUND, reason="reference values are needed: NOISY_BENCH_GOLDEN2 names no directory")


def cases(name: str) -> list[Case]:
    path = golden2.FOLDER / f"{name}.json"
    found: list[Case] = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.is_file() else []
    return [case for case in found if not str(case["settings"].get("loss")).startswith(golden2.OTHERS)]


def named() -> list[Any]:
    return [pytest.param(name, case, id=f"{name}-{case['name']}") for name in golden2.ROUTES for case in cases(name)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), named())
def test_pure_functions(file: str, case: Case, dtype: torch.dtype) -> None:
    steps = list(golden2.ROUTES[file](case, dtype))
    assert len(steps) == len(case["steps"])
    for number, got in enumerate(steps):
        if case["compare"]:
            compare(file, case, number, got)


@pytest.mark.parametrize(("file", "case"), named())
def test_methods(file: str, case: Case) -> None:
    found = golden2.settings_of(file, case["settings"])
    if found is None:
        pytest.skip("a part of a loss, or one of two trainings")
    for number, got in enumerate(golden2.by_method(case, *found)):
        if case["compare"]:
            compare(found[0], case, number, got, frozenset({"weights"}))


def test_weights_of_the_peers() -> None:
    path = golden2.FOLDER / "peer.json"
    if not path.is_file():
        pytest.skip("no peer.json there")
    for name, values in json.loads(path.read_text(encoding="utf-8"))["alpha_schedules"].items():
        schedule = name.replace("_runner", "")
        assert [peer_strength(epoch, schedule) for epoch in range(len(values))] == pytest.approx(values)
