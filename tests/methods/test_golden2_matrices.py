"""Methods with a matrix or with labels of their own, against numbers that public implementations gave.

`NOISY_BENCH_GOLDEN2` names the folder. Each case goes through the pure functions, in float64 and float32, and where a
`Method.loss` can be handed its inputs, through that too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from golden2_labels import joint_by_function, joint_by_method, pencil_by_function, pencil_by_method
from golden2_m_correction import m_correction_by_function, m_correction_by_method
from golden2_matrices import (
    t_revision_by_function,
    t_revision_by_method,
    volminnet_by_function,
    volminnet_by_method,
)
from golden_support import Case, Got, compare

FOLDER = Path(os.environ.get("NOISY_BENCH_GOLDEN2") or Path(__file__).parents[3] / "shared" / "golden2")
FOUND = FOLDER.is_dir()
pytestmark = pytest.mark.skipif(not FOUND, reason="reference values are needed: NOISY_BENCH_GOLDEN2 names no directory")
Function = Callable[[Case, torch.dtype], Iterator[Got]]
ByMethod = Callable[[Case], Iterator[Got]]


ROUTES: dict[str, tuple[Function, ByMethod]] = {
    "mcorrection": (m_correction_by_function, m_correction_by_method),
    "joint_opt": (joint_by_function, joint_by_method),
    "t_revision": (t_revision_by_function, t_revision_by_method),
    "pencil": (pencil_by_function, pencil_by_method),
    "volminnet": (volminnet_by_function, volminnet_by_method),
}
# What `Method.loss` does not give away.
HIDDEN = frozenset({"T", "ce", "log_det", "alphas", "betas", "weight", "posterior_at_grid", "input_mix_matrix"})
LOOSE = ("alphas", "betas", "weight", "lookup", "posterior_at_grid", "prob_noisy")  # to 1e-3, as the README says


def cases() -> list[Any]:
    """Every case of the files that are there, as parameters."""
    found = []
    for file in ROUTES if FOUND else ():
        path = FOLDER / f"{file}.json"
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"] if path.is_file() else ():
            found.append(pytest.param(file, case, id=f"{file}-{case['name']}"))
    return found


def finite(tree: dict[str, Any]) -> dict[str, Any]:
    """The leaves without a null, which stands for what was not finite in the official code; ours may be."""
    nested = {key: finite(value) if isinstance(value, dict) else value for key, value in tree.items()}
    return {key: value for key, value in nested.items() if "null" not in json.dumps(value)}


def check(file: str, case: Case, found: Iterator[Got], hidden: frozenset[str] = frozenset()) -> int:
    """Compare step by step; of informational cases only that there is something. Returns the steps seen."""
    count = 0
    if case["name"].startswith("bmm_fit"):
        case = {**case, "f32_f64_maxdiff": {f"outputs.{key}": 1e-4 for key in LOOSE}}
    case = {**case, "steps": [finite(step) for step in case["steps"]]}
    for number, got in enumerate(found):
        if case["compare"]:
            compare(file, case, number, got, hidden)
        count += 1
    return count


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), cases())
def test_golden2_by_function(file: str, case: Case, dtype: torch.dtype) -> None:
    assert check(file, case, ROUTES[file][0](case, dtype)) == len(case["steps"])


@pytest.mark.parametrize(("file", "case"), cases())
def test_golden2_by_method(file: str, case: Case) -> None:
    assert check(file, case, ROUTES[file][1](case), HIDDEN) == len(case["steps"])
