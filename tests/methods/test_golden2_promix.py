"""ProMix against numbers of its authors' code (`NOISY_BENCH_GOLDEN2`): both selections, targets, biases and losses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden2_support import agree, cases_of
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch

from methods.divide_mix import confidence_penalty, normalised_losses
from methods.fmix import fmix_mask
from methods.promix import debiased, debiased_loss, small_by_class, with_agreement
from methods.semi_supervised import sharpened


def class_wise(case: Case, inputs: dict[str, Any], dtype: torch.dtype) -> Got:
    labels = torch.tensor(inputs["labels"])
    losses = normalised_losses(torch.tensor(inputs["logits"], dtype=dtype), labels)
    selected = small_by_class(losses, labels, case["num_classes"], case["settings"]["rho"])
    found = torch.bincount(labels[selected], minlength=case["num_classes"])
    return {"normalized_loss": losses, "selected": selected.int(), "per_class": found}


def step_of(case: Case, step: dict[str, Any], dtype: torch.dtype) -> Got:
    """The choice of a batch, through the method in the given precision."""
    settings, inputs = case["settings"], step["inputs"]
    names = {
        "tau": "tau",
        "threshold": "largest_share",
        "debias_pl": "debias_labels",
        "T": "temperature",
        "bias_m": "momentum",
    }
    own = {ours: settings[theirs] for theirs, ours in names.items()}
    task = StubTask(inputs["labels"], case["num_classes"], epochs=settings["num_epochs"])
    method: Any = make("promix", task, warm_up=0, guessing=settings["start_expand"], **own).to(dtype)
    logits = torch.tensor([inputs["logits_1"], inputs["logits_2"]], dtype=dtype)
    biases = [[inputs[f"pi{n}"], inputs[f"pi{n}_unrel"]] for n in (1, 2)]
    method.bias.copy_(torch.tensor(biases, dtype=dtype))
    method.small.copy_(torch.tensor([inputs["selected_1"], inputs["selected_2"]]))
    chosen, labels = method.chosen(logits, make_batch(method, inputs["labels"], epoch=step["epoch"] + 1))
    rest = debiased(logits[0], method.bias[0, 1], method.debias_labels)
    outputs = {
        "chosen_1": chosen[0].nonzero()[:, 0],
        "chosen_2": chosen[1].nonzero()[:, 0],
        "pseudo_labels_1": labels[0],
        "pseudo_labels_2": labels[1],
        "debiased_probs_1": debiased(logits[0], method.bias[0, 0], method.debias_labels),
        "unreliable_targets_1": sharpened(rest, method.temperature),
    }
    method.follow(logits.softmax(2), chosen)
    names = {f"pi{n}{end}": method.bias[n - 1, part] for n in (1, 2) for part, end in enumerate(("", "_unrel"))}
    return {"outputs": outputs, "state": names}


def promix(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    op = case["settings"]["op"]
    for step in case["steps"]:
        inputs = step["inputs"]
        if op == "css":
            yield {"outputs": class_wise(case, inputs, dtype)}
        elif op == "mhcs_lga":
            yield step_of(case, step, dtype)
        else:
            logits = leaf(inputs["logits"], dtype)
            if op == "debiased_ce":
                targets, bias = (torch.tensor(inputs[key], dtype=dtype) for key in ("targets", "pi"))
                loss = debiased_loss(logits, targets, bias, case["settings"]["debias_output"])
            else:
                loss = confidence_penalty(logits.clamp_min(1e-12))
            yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), cases_of("promix"))
def test_promix(file: str, case: Case, dtype: torch.dtype) -> None:
    agree(file, case, promix(case, dtype))


@pytest.mark.parametrize(("file", "case"), cases_of("promix"))
def test_promix_selects_by_method(file: str, case: Case) -> None:
    if case["settings"]["op"] != "css":
        pytest.skip("the case is not of a selection")
    inputs = case["steps"][0]["inputs"]
    task = StubTask(inputs["labels"], case["num_classes"])
    task.all_logits = torch.tensor(inputs["logits"])
    method: Any = make("promix", task, warm_up=0, rho=case["settings"]["rho"])
    method.epoch_start(1)
    for losses, small in zip(method.losses, method.small, strict=True):
        found = torch.bincount(task.labels[small], minlength=case["num_classes"])
        got = {"normalized_loss": losses, "selected": small.int(), "per_class": found}
        agree(file, case, iter([{"outputs": got}]))


# --- what is beyond the vectors


def test_what_both_are_surest_of_is_added_up_to_a_share() -> None:
    sure = torch.tensor([[0.99, 0.9, 0.97, 0.8, 0.98], [0.99, 0.96, 0.97, 0.99, 0.98]])
    probabilities = torch.stack([sure, 1 - sure], 2)
    selected = torch.tensor([True, False, False, False, False])
    assert with_agreement(selected, probabilities, 0.85, 0.6).tolist() == [True, False, True, False, True]
    assert with_agreement(selected, probabilities, 0.85, 1.0).tolist() == [True, True, True, False, True]
    assert with_agreement(selected, probabilities, 0.85, 0.2).tolist() == selected.tolist()
    swapped = torch.stack([probabilities[0], probabilities[1].flip(1)])
    assert with_agreement(selected, swapped, 0.85, 1.0).tolist() == selected.tolist()


def test_the_term_of_the_rest_ends_with_twice_the_ramp() -> None:
    method: Any = make("promix", StubTask([0, 1, 0, 1], 2), warm_up=0, ramp=10)
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    answers, rows = [(logits, logits)] * 2, torch.arange(4)
    clock = range(1, 25)
    found = [float(method.rest_loss(0, make_batch(method, [0, 1, 0, 1], epoch=at), answers, rows, 1.0)) for at in clock]
    assert found[:20] == sorted(found[:20])
    assert found[0] == 0
    assert not any(found[20:])
    assert found[19] == pytest.approx(19 * found[1], rel=1e-4)


def test_a_mask_is_of_its_share_in_areas() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.3, 0.75, 1.0):
        mask = fmix_mask(32, 24, share, rng)
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        assert abs(float(mask.sum()) - share * 32 * 24) < 1
    borders = (mask := fmix_mask(32, 32, 0.5, rng)).diff(dim=0).abs().mean() + mask.diff(dim=1).abs().mean()
    assert borders < 0.4  # of pixels drawn one by one: 1


def test_a_bias_without_samples_stays() -> None:
    method: Any = make("promix", StubTask([0, 1], 2), warm_up=0, momentum=0.5)
    method.follow(torch.tensor([[[0.9, 0.1]] * 2] * 2), torch.tensor([[True, True], [False, False]]))
    even, moved = torch.tensor([0.5, 0.5]), torch.tensor([0.7, 0.3])
    torch.testing.assert_close(method.bias, torch.stack([torch.stack([moved, even]), torch.stack([even, moved])]))


def test_warm_up_for_one_sided_noise_penalises_confidence() -> None:
    logits, labels = torch.tensor([[2.0, -1.0]]), torch.tensor([0])
    plain, kept = (make("promix", StubTask([0], 2), confident_warm_up=flag) for flag in (True, False))
    assert float(plain.warm_up_loss(logits, labels)) == pytest.approx(float(F.cross_entropy(logits, labels)))  # type: ignore[operator]
    p = 1 / (1 + math.exp(-2))
    entropy = p * math.log(p) + (1 - p) * math.log(1 - p)
    gap = kept.warm_up_loss(logits, labels) - plain.warm_up_loss(logits, labels)  # type: ignore[operator]
    assert float(gap) == pytest.approx(entropy, rel=1e-4)
