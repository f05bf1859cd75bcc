"""What `check` must not find fault with."""

from __future__ import annotations

from pathlib import Path

import correct_methods
import pytest
import registries
import torch

from bench.checks.check import CHECKS, run_checks
from bench.checks.subject import Subject
from methods import registry

QUICK = ("loss", "gradients", "predictions", "observed", "networks", "cost", "global_generators", "batches", "classes")


@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(CHECKS), marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("case", correct_methods.CORRECT)
def test_nothing_is_found_at_a_correct_method(case: str, names: tuple[str, ...], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    name = f"correct_{list(correct_methods.CORRECT).index(case)}"
    (tmp_path / f"{name}.py").write_text(correct_methods.source(name, case), encoding="utf-8")
    with registries.as_before():
        registry.add_file(tmp_path / f"{name}.py")
        found = list(run_checks(Subject(name), names))
    assert [f"{result.check}: {result.seen}" for result in found if result.status == "failed"] == []
