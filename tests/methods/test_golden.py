"""Every loss against numbers that public reference implementations gave (`NOISY_BENCH_GOLDEN`).

Each case goes through the pure function, in float64 and float32, and through `Method.loss` with a network that returns
the given logits. `pytest tests/methods/test_golden.py -s` prints the largest errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import golden_divide_mix as divide_mix
import golden_pairs as pairs
import golden_single as single
import golden_stages as stages
import golden_tables as tables
import pytest
import torch
from golden_support import FOLDER, WORST, Case, Got, compare, loss_files, read

from methods.co_teaching import forget_rate, kept_count
from methods.cores import cores_strength

FOUND = FOLDER.is_dir()
pytestmark = pytest.mark.skipif(not FOUND, reason="reference values are needed: NOISY_BENCH_GOLDEN names no directory")
Function = Callable[[Case, torch.dtype], Iterator[Got]]
ByMethod = Callable[[Case], Iterator[Got]]
ROUTES: dict[str, tuple[Function, ByMethod]] = {
    "cdr": (stages.cdr_by_function, stages.cdr_by_method),
    "cores": (tables.cores_by_function, tables.cores_by_method),
    "coteaching": (pairs.co_teaching_by_function, pairs.co_teaching_by_method),
    "coteaching_plus": (pairs.co_teaching_plus_by_function, pairs.co_teaching_plus_by_method),
    "dividemix": (divide_mix.by_function, divide_mix.by_method),
    "elr": (tables.elr_by_function, tables.elr_by_method),
    "jocor": (pairs.jocor_by_function, pairs.jocor_by_method),
    "mixup": (single.mixup_by_function, single.mixup_by_method),
    "nal": (tables.nal_by_function, tables.nal_by_method),
    "nlnl": (stages.nlnl_by_function, stages.nlnl_by_method),
    "selc": (tables.selc_by_function, tables.selc_by_method),
    "sop": (stages.sop_by_function, stages.sop_by_method),
    "truncated_gce": (tables.truncated_gce_by_function, tables.truncated_gce_by_method),
}
CASES = [(file, case) for file in (loss_files() if FOUND else []) for case in read(file)["cases"]]
# What `Method.loss` does not give away: it returns one scalar, and reports no losses or picks of single samples.
HIDDEN = frozenset(
    {"loss_per_sample", "ce", "selected_by_1", "selected_by_2", "selected_pos_1", "selected_pos_2"}
    | {"pure_ratio_1", "pure_ratio_2", "rows_updated", "Lx", "Lu", "lambda_u_now"}
)


def routes(file: str, case: Case) -> tuple[Function, ByMethod]:
    """The two ways of a case, found by its file, method or settings."""
    if file == "gce" and "init_state" in case:
        return ROUTES["truncated_gce"]
    if file in single.PLANS:
        return lambda case, dtype: single.by_function(file, case, dtype), lambda case: single.by_method(file, case)
    return ROUTES[file]


NAMES = {"coteaching": "co_teaching", "coteaching_plus": "co_teaching_plus", "dividemix": "divide_mix"}


def method_of(file: str, case: Case) -> str:
    """The registered method that a case belongs to."""
    settings = case["settings"]
    if file == "gce" and "init_state" in case:
        return "truncated_gce"
    if file == "sop" and (settings["ratio_consistency"] or settings["ratio_balance"]):
        return "sop_plus"
    return single.PLANS[file](settings)[1] if file in single.PLANS else NAMES.get(file, file)


def check(file: str, case: Case, found: Iterator[Got], hidden: frozenset[str] = frozenset()) -> int:
    """Compare step by step; of informational cases only that what we compute is finite. Returns the steps seen."""
    count = 0
    for number, got in enumerate(found):
        if case["compare"]:
            compare(method_of(file, case), case, number, got, hidden)
        else:
            for key, value in got["outputs"].items():
                if key.startswith("loss"):
                    assert bool(torch.as_tensor(value).isfinite().all()), f"{file}: {case['name']}: {key}"
        count += 1
    return count


def named(parameters: list[tuple[str, Any]]) -> list[Any]:
    return [pytest.param(file, case, id=f"{file}-{case['name']}") for file, case in parameters]


@pytest.fixture(scope="module", autouse=True)
def summary() -> Iterator[None]:
    """Print the largest errors when the module is done (seen with -s)."""
    yield
    print(f"\n{WORST}")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), named(CASES))
def test_pure_function(file: str, case: Case, dtype: torch.dtype) -> None:
    assert check(file, case, routes(file, case)[0](case, dtype)) == len(case["steps"])


@pytest.mark.parametrize(("file", "case"), named(CASES))
def test_method(file: str, case: Case) -> None:
    assert check(file, case, routes(file, case)[1](case), HIDDEN) == len(case["steps"])


@pytest.mark.parametrize(("file", "case"), named([(f, c) for f, c in CASES if f == "nal"]))
def test_car_is_the_same_code(file: str, case: Case) -> None:
    assert check(file, case, tables.nal_by_method(case, "car"), HIDDEN) == len(case["steps"])


IDLE = [(f, c) for f, c in CASES if f == "nal" and c["compare"] and tables.clamps_idle(c)]


@pytest.mark.parametrize(("file", "case"), named(IDLE))
def test_log_safe_form_meets_the_vectors_where_no_clamp_is_active(file: str, case: Case) -> None:
    assert check(file, case, tables.nal_by_function(case, torch.float64, False)) == len(case["steps"])
    assert check(file, case, tables.nal_by_method(case, authors_behaviour=False), HIDDEN) == len(case["steps"])


@pytest.mark.parametrize("file", ["coteaching", "coteaching_plus", "jocor"])
def test_forget_rates(file: str) -> None:
    if file not in loss_files():
        pytest.skip(f"no {file}.json there")
    for row in read(file)["forget_rate_schedules"]:
        for epoch, want in enumerate(row["rate"]):
            have = forget_rate(epoch + 1, row["tau"], row["num_gradual"], row.get("exponent", 1))
            assert have == pytest.approx(want, abs=1e-12), (row["tau"], epoch)


def test_kept_counts() -> None:
    for size, rate, kept in read("coteaching")["num_remember"]:
        assert kept_count(size, rate) == kept, (size, rate)


def test_strength_of_cores() -> None:
    schedule = read("cores")["beta_schedule"]
    assert [cores_strength(epoch, 2.0, 10, 30) for epoch in range(1, len(schedule) + 1)] == pytest.approx(schedule)
