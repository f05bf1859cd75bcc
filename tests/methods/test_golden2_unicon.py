"""UNICON against numbers of its authors' code (`NOISY_BENCH_GOLDEN2`): division, targets, and both of its losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from golden2_support import agree, cases_of
from golden_support import Case, Got, StubTask, gradients, leaf, make
from torch import Tensor

from methods.contrastive import apart, contrastive_loss, same_image
from methods.divide_mix import co_refined, prior_penalty
from methods.semi_supervised import linear_ramp, mean_probability, sharpened, soft_cross_entropy, squared_difference
from methods.unicon import clean_share, evenly_selected, label_divergence, refinement_weights

Inputs = dict[str, Any]


def selection(case: Case, inputs: Inputs, wanted: list[int], dtype: torch.dtype) -> Got:
    settings, classes = case["settings"], case["num_classes"]
    labels = torch.tensor(inputs["labels"])
    logits = [torch.tensor(inputs[f"logits_{number}"], dtype=dtype) for number in (1, 2)]
    divergences = label_divergence(mean_probability(logits), labels)
    threshold, share = clean_share(divergences, settings["d_u"], settings["tau"])
    rows = in_their_order(evenly_selected(divergences, labels, classes, share).nonzero()[:, 0], wanted)
    return {
        "jsd": divergences,
        "threshold": threshold,
        "sample_ratio": share,
        "quota_per_class": int(share * len(labels) / classes),
        "selected": rows,
        "unfilled_slots": int(share * len(labels)) - len(rows),
        "weights": refinement_weights(divergences[rows]),
    }


def in_their_order(rows: Tensor, wanted: list[int]) -> Tensor:
    """The rows, in the order of `wanted` if they are the same: a class that is taken whole is not sorted there."""
    return torch.tensor(wanted) if sorted(wanted) == sorted(rows.tolist()) else rows


def semi_supervised(case: Case, step: Got, dtype: torch.dtype) -> Got:
    inputs, settings = step["inputs"], case["settings"]
    x, u = leaf(inputs["logits_x"], dtype), leaf(inputs["logits_u"], dtype)
    strength = settings["lambda_u"] * linear_ramp(step["epoch"], settings["warm_up"], 16)
    parts = {
        "loss_x": soft_cross_entropy(x, torch.tensor(inputs["targets_x"], dtype=dtype)),
        "loss_u": squared_difference(u, torch.tensor(inputs["targets_u"], dtype=dtype)),
        "penalty": prior_penalty(torch.cat([x, u])),
    }
    loss = parts["loss_x"] + strength * parts["loss_u"] + parts["penalty"]
    return {**parts, "lambda_u": strength, "loss": loss, "grad": gradients(loss, logits_x=x, logits_u=u)}


def refinement(case: Case, inputs: Inputs, dtype: torch.dtype) -> Got:
    own, both = (
        [torch.tensor(value, dtype=dtype) for name, value in inputs.items() if name.startswith(start)]
        for start in ("logits_x_", "logits_u_")
    )
    labels, weights = torch.tensor(inputs["labels"]), torch.tensor(inputs["weights"], dtype=dtype)
    temperature = case["settings"]["T"]
    return {
        "targets_x": co_refined(labels, weights, mean_probability(own), temperature),
        "targets_u": sharpened(mean_probability(both), temperature),
    }


def contrastive(case: Case, inputs: Inputs, dtype: torch.dtype) -> Got:
    features = leaf(inputs["features"], dtype)
    together = same_image(len(features))
    if case["settings"]["labels"]:
        labels = torch.tensor(inputs["labels"]).repeat(2)
        together = (labels[:, None] == labels) & apart(len(labels))
    loss = contrastive_loss(torch.cat(features.unbind(1)), together, case["settings"]["temperature"])
    return {"loss": loss, "grad": gradients(loss, features=features)}


def unicon_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    for step in case["steps"]:
        op, inputs = case["settings"].get("op", "select"), step["inputs"]
        if op == "select":
            yield {"outputs": selection(case, inputs, step["outputs"]["selected"], dtype)}
        elif op == "semi":
            yield {"outputs": semi_supervised(case, step, dtype)}
        else:
            yield {"outputs": (refinement if op == "refine" else contrastive)(case, inputs, dtype)}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), cases_of("unicon"))
def test_unicon_by_function(file: str, case: Case, dtype: torch.dtype) -> None:
    agree(file, case, unicon_by_function(case, dtype))


@pytest.mark.parametrize(("file", "case"), cases_of("unicon"))
def test_unicon_divides_by_method(file: str, case: Case) -> None:
    if "op" in case["settings"]:
        pytest.skip("the case is of a function alone")
    inputs, wanted = case["steps"][0]["inputs"], case["steps"][0]["outputs"]
    task = StubTask(inputs["labels"], case["num_classes"])
    method: Any = make("unicon", task, warm_up=0, d_u=case["settings"]["d_u"], tau=case["settings"]["tau"])
    answers = {id(network): torch.tensor(inputs[f"logits_{n}"]) for n, network in enumerate(method.pair, 1)}
    task.logits = lambda network, **given: answers[id(network)]  # type: ignore[method-assign]
    first, second = method.epoch_start(1)
    found = {
        "jsd": method.divergence,
        "sample_ratio": wanted["sample_ratio"],
        "selected": in_their_order(first.rows, wanted["selected"]),
        "weights": refinement_weights(method.divergence[wanted["selected"]]),
    }
    hidden = frozenset({"threshold", "quota_per_class", "unfilled_slots"})
    agree(file, case, iter([{"outputs": found}]), hidden)
    assert torch.equal(first.rows, second.rows)
    rest, size = first.streams["rest"]
    assert len(rest) + len(first.rows) == len(inputs["labels"])
    assert size == min(len(rest), int(task.batch_size / (2 * wanted["sample_ratio"])))


# --- what is beyond the vectors


def test_no_more_are_selected_than_a_class_has() -> None:
    labels, divergences = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([0.3, 0.1, 0.2, 0.6, 0.5, 0.4])
    assert evenly_selected(divergences, labels, 3, 0.5).nonzero()[:, 0].tolist() == [1, 3, 5]
    assert evenly_selected(divergences, labels, 3, 1.0).nonzero()[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert not evenly_selected(divergences, labels, 3, 0.0).any()


def test_features_that_are_alike_cost_least_where_they_belong_together() -> None:
    near = torch.eye(4).repeat(2, 1)
    assert contrastive_loss(near, same_image(4), 0.1) < 1e-3
    assert contrastive_loss(near.roll(1, 0), same_image(4), 0.1) < 1e-3
    assert contrastive_loss(torch.cat([torch.eye(4), torch.eye(4).roll(1, 0)]), same_image(4), 0.1) > 5


def test_equal_divergences_select_nothing() -> None:
    task = StubTask([0, 1, 0, 1], 2)
    method: Any = make("unicon", task, warm_up=0)
    task.all_logits = torch.tensor([[4.0, 0], [0, 4], [4, 0], [0, 4]])
    assert not len(method.epoch_start(1)[0].rows)  # none is below the mean
