"""OGC against numbers of its authors' code (`NOISY_BENCH_GOLDEN2`): clipped losses, thresholds as losses come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from golden2_support import agree, cases_of
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.ogc import LEAST, MOST, clipped_losses, given_probability, gradient_ratio, steepness, where_it_falls_to

BASES = {"OGC_CE": "cross_entropy", "OGC_FL": "focal", "OGC_GCE": "gce"}
LOOSE = ("loss", "prob_threshold", "tau", "grad.logits")  # behind a k-means start of scikit-learn's


def ogc_cases() -> list[Any]:
    return [
        found for found in cases_of("logitclip") if found.values[1].get("settings", {}).get("loss", "OGC")[:3] == "OGC"
    ]


def ogc_by_method(case: Case) -> Iterator[Got]:
    settings = case["settings"]
    names = {"epsilon": "epsilon", "queue_size_q": "queue", "time_frame_s": "interval", "gamma": "gamma", "q": "q"}
    names |= {"binary_search_tol": "tolerance", "binary_search_max_iter": "rounds"}
    own = {ours: settings[theirs] for theirs, ours in names.items() if theirs in settings}
    task = StubTask([0] * settings.get("queue_size_q", 1), case["num_classes"])
    method: Any = make("ogc", task, base=BASES[settings["loss"]], **own)
    network: Any = task.network()
    for number, step in enumerate(case["steps"]):
        if "prob_threshold" in step["inputs"]:
            method.threshold.fill_(step["inputs"]["prob_threshold"])
        logits = leaf(step["inputs"]["logits"])
        network.answers = [logits]
        batch = make_batch(method, step["inputs"]["labels"])
        loss = method.loss(replace(batch, step=number, rates=(settings.get("lr", 0.0),)))
        outputs: dict[str, Any] = {"loss": loss, "grad": gradients(loss, logits=logits)}
        outputs |= {"prob_threshold": method.threshold, "tau": steepness(method.base_loss, method.threshold)}
        yield {"outputs": {**outputs, "queue_length": int((method.recent >= 0).sum())}}


def ogc_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    base = make("ogc", StubTask([0], 2), base=BASES[case["settings"]["loss"]], **only(case["settings"], "gamma", "q"))
    for step in case["steps"]:
        logits, labels = leaf(step["inputs"]["logits"], dtype), torch.tensor(step["inputs"]["labels"])
        outputs = {**step["inputs"], **step["outputs"]}  # a threshold that is found is given
        threshold = torch.tensor(outputs["prob_threshold"], dtype=dtype)
        loss = clipped_losses(given_probability(logits, labels), base.base_loss, threshold).mean()  # type: ignore[operator]
        found = {"loss": loss, "tau": steepness(base.base_loss, threshold)}  # type: ignore[arg-type]
        kept = only(outputs, "queue_length", "prob_threshold")
        yield {"outputs": {**kept, **found, "grad": gradients(loss, logits=logits)}}


def only(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values}


def loosened(case: Case) -> Case:
    """A case with the tolerances of the README where a mixture is fitted: 1e-3, of the threshold 2e-3, of tau 1%."""
    if "queue_size_q" not in case["settings"]:
        return case
    steepest = max(step["outputs"]["tau"] for step in case["steps"] if step["outputs"]["prob_threshold"] > 1e-6)
    allowed = {"loss": 1e-4, "grad.logits": 1e-4, "prob_threshold": 2e-4, "tau": 1e-3 * steepest}
    return {**case, "f32_f64_maxdiff": {f"outputs.{key}": value for key, value in allowed.items()}}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), ogc_cases())
def test_ogc_by_function(file: str, case: Case, dtype: torch.dtype) -> None:
    agree(file, case, ogc_by_function(case, dtype))


@pytest.mark.parametrize(("file", "case"), ogc_cases())
def test_ogc_by_method(file: str, case: Case) -> None:
    agree("ogc", loosened(case), ogc_by_method(case))


# --- what is beyond the vectors


def square(p: Tensor) -> Tensor:
    return p**2


def test_steepness_is_the_slope_of_any_loss() -> None:
    p = torch.tensor([0.1, 0.5], dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(steepness(square, p), 2 * p)


@pytest.mark.parametrize("wanted", [0.2, 0.5, 0.9])
def test_bisection_finds_where_a_function_falls_to_a_value(wanted: float) -> None:
    assert where_it_falls_to(lambda p: 1 - p, wanted, 0, 30) == pytest.approx(1 - wanted, abs=1e-6)


def test_bisection_stays_between_its_ends() -> None:
    assert where_it_falls_to(lambda p: 5 - p, 2, 0, 10) == MOST
    assert where_it_falls_to(lambda p: 1 - p, 2, 0, 10) == LEAST


def test_noisy_samples_gradients_weigh_less_the_more_is_clipped() -> None:
    means, variances = torch.tensor([0.2, 4.0]).double(), torch.tensor([0.1, 1.0]).double()
    ratio = gradient_ratio(lambda p: -p.log(), means, variances)
    found = [ratio(threshold) for threshold in (1e-6, 0.01, 0.1, 0.5, MOST)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(1, abs=1e-3)


def test_equal_losses_leave_the_threshold() -> None:
    method: Any = make("ogc", StubTask([0, 1, 0, 1], 2), queue=4, interval=1)
    for number in range(3):
        method.network.answers = [torch.zeros(2, 2)]
        method.loss(replace(make_batch(method, [0, 1]), step=number, rates=(0.1,)))
    assert float(method.threshold) == pytest.approx(LEAST)
