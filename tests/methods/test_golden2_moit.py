"""MOIT, MOIT+ and Sel-CL's pairs against numbers of their authors' code (`NOISY_BENCH_GOLDEN2`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from golden2_support import agree, cases_of
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.contrastive import Memory, apart, interpolated_losses, log_shares, major_and_minor, same_image
from methods.moit import QUANTILES, classification_losses
from methods.moit_plus import bootstrapped, tuning_loss
from methods.neighbours import Detection, balanced, detection
from methods.selected_pairs import are_pairs, pair_threshold, similarity_loss

Inputs = dict[str, Any]


def draws(inputs: Inputs, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Partners [2, B] and portions [2]; of MOIT+ the one view is both."""
    second = "2" if "lam_2" in inputs else "1"
    partners = torch.tensor([inputs["permutation_1"], inputs[f"permutation_{second}"]])
    return partners, torch.tensor([inputs["lam_1"], inputs[f"lam_{second}"]], dtype=dtype)


def contrastive(case: Case, inputs: Inputs, dtype: torch.dtype) -> Got:
    settings, features = case["settings"], leaf(inputs["features"], dtype)
    partners, portions = draws(inputs, dtype)
    if (chosen := "selected_pairs" in inputs) is True:
        pairs = torch.tensor(inputs["selected_pairs"]).bool()
    else:
        labels = torch.tensor(inputs["labels"])
        pairs = labels[:, None] == labels
    major, minor = major_and_minor(pairs, partners)
    shares = log_shares(features, features, apart(len(features)), settings["temperature"])
    losses = interpolated_losses(shares, major, minor, portions)
    own = same_image(len(pairs)).float()
    view = major_and_minor(torch.zeros_like(pairs), partners)[1]  # of the partners alone
    if chosen:
        losses = losses * (pairs & apart(len(pairs))).any(1).repeat(2)
    masks = {"mask_pos": major - own, "mask_view": own, "mask_view_minor": view, "mask_pos_minor": minor - view}
    loss = losses.mean()
    whole = {name: value.int() for name, value in masks.items()}
    return {"loss": loss, "grad": gradients(loss, features=features), **whole}


def against_memory(case: Case, inputs: Inputs, dtype: torch.dtype) -> Got:
    """The memory of the case is full; its numbers are here labels, since samples have none."""
    settings, raw = case["settings"], leaf(inputs["features"], dtype)
    partners, portions = draws(inputs, dtype)
    labels, features = torch.tensor(inputs["labels"]), F.normalize(raw)
    memory = Memory(settings["memory"], features.shape[1]).to(dtype)
    memory.features.copy_(F.normalize(torch.tensor(inputs["memory_features"], dtype=dtype)))
    memory.numbers.copy_(torch.tensor(inputs["memory_labels"]))
    memory.place.fill_(inputs["ptr"])
    pairs = labels[:, None] == labels
    rows = memory.write(features, labels.repeat(2))
    shares = log_shares(features, features, apart(len(features)), settings["temperature"])
    parts = {"loss_batch": interpolated_losses(shares, *major_and_minor(pairs, partners), portions).mean()}
    known = labels[:, None] == memory.numbers
    losses = memory.losses(features, known, pairs, partners, rows, portions, settings["temperature"])
    parts["loss_memory"] = losses.mean()
    loss = parts["loss_batch"] + parts["loss_memory"]
    found = {**parts, "loss": loss, "grad": gradients(loss, features=raw)}
    return {**found, "ptr": memory.place, "memory_labels": memory.numbers}


def classification(case: Case, inputs: Inputs, dtype: torch.dtype) -> Got:
    partners, portions = draws(inputs, dtype)
    views = {name: leaf(inputs[name], dtype) for name in ("logits_1", "logits_2")}
    trust = torch.tensor(inputs["agreement"], dtype=dtype)
    if not case["settings"]["correction"]:
        trust = torch.ones_like(trust)
    guess = torch.tensor(inputs["logits_plain"], dtype=dtype).softmax(1)
    labels, logits = torch.tensor(inputs["labels"]), torch.cat(list(views.values()))
    loss = classification_losses(logits, labels, partners, portions, trust, guess).mean()
    return {"loss": loss, "grad": gradients(loss, **views)}


def fine_tuning(case: Case, inputs: Inputs, dtype: torch.dtype) -> Got:
    (partner, _), (portion, _) = draws(inputs, dtype)
    logits, plain = leaf(inputs["logits_1"], dtype), torch.tensor(inputs["logits_plain"], dtype=dtype)
    targets = bootstrapped(torch.tensor(inputs["labels"]), plain, case["settings"]["B"])
    loss = tuning_loss(logits, targets, partner, portion)
    return {"loss": loss, "grad": gradients(loss, logits_1=logits)}


def similarity(case: Case, inputs: Inputs, dtype: torch.dtype) -> Got:
    partners, portions = draws(inputs, dtype)
    probabilities = leaf(inputs["probs"], dtype)
    alike = major_and_minor(torch.tensor(inputs["selected_pairs"]).bool(), partners)
    loss = similarity_loss(probabilities, *alike, portions)
    return {"loss": loss, "grad": gradients(loss, probs=probabilities)}


def found_by(case: Case, features: Tensor, labels: Tensor) -> tuple[Detection, Tensor]:
    settings, classes = case["settings"], case["num_classes"]
    found = detection(features, labels, classes, settings["k"])
    if settings["balance"] == "none":
        return found, found.agreed
    return found, balanced(found, labels, classes, settings.get("alpha", QUANTILES.get(settings["balance"], 0.5)))


def up_to_ties(selected: Tensor, wanted: list[int], values: Tensor, labels: Tensor) -> Tensor:
    """[N] int: `wanted`, where it differs from the selected by samples of equal value in a class alone."""
    other = torch.tensor(wanted).bool()
    for label in labels.unique():
        ours, theirs = (values[chosen & (labels == label)].sort().values for chosen in (selected, other))
        if len(ours) != len(theirs) or not torch.allclose(ours, theirs, atol=1e-5):
            return selected.int()
    return other.int()


def detected(case: Case, inputs: Inputs, dtype: torch.dtype, wanted: Inputs) -> Got:
    features, labels = torch.tensor(inputs["features"], dtype=dtype), torch.tensor(inputs["labels"])
    found, selected = found_by(case, features, labels)
    counts = torch.bincount(labels[selected], minlength=case["num_classes"])
    selected = up_to_ties(selected, wanted["selected"], found.second, labels)
    outputs = {"selected": selected, "selected_per_class": counts, "discrepancy1": found.first}
    return {**outputs, "discrepancy2": found.second}


def paired(case: Case, inputs: Inputs, dtype: torch.dtype, wanted: Inputs) -> Got:
    features, labels = torch.tensor(inputs["features"], dtype=dtype), torch.tensor(inputs["labels"])
    found = detected(case, inputs, dtype, wanted)
    selected, classes = found["selected"].bool(), case["num_classes"]
    bar = pair_threshold(features, labels, selected, classes, case["settings"]["beta"])
    pairs = are_pairs([labels] * 2, [features] * 2, [selected] * 2, torch.tensor(bar, dtype=dtype))
    return {**found, "pairs": pairs.int(), "num_pairs": pairs.sum()}


PARTS: dict[str, Any] = {
    "contrastive": contrastive,
    "contrastive_memory": against_memory,
    "classification": classification,
    "moit_plus_hard_bootstrap": fine_tuning,
    "similarity_loss": similarity,
}
WITH_WANTED: dict[str, Any] = {"detection": detected, "pair_selection": paired}


def moit(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    op = case["settings"]["op"]
    for step in case["steps"]:
        if op in PARTS:
            yield {"outputs": PARTS[op](case, step["inputs"], dtype)}
        else:
            yield {"outputs": WITH_WANTED[op](case, step["inputs"], dtype, step["outputs"])}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("file", "case"), cases_of("moit"))
def test_moit_by_function(file: str, case: Case, dtype: torch.dtype) -> None:
    agree(file, case, moit(case, dtype))


@pytest.mark.parametrize(("file", "case"), cases_of("moit"))
def test_moit_detects_by_method(file: str, case: Case) -> None:
    settings = case["settings"]
    if settings["op"] not in WITH_WANTED or settings["balance"] == "quantile":
        pytest.skip("the case is not of a detection")
    inputs, wanted = case["steps"][0]["inputs"], case["steps"][0]["outputs"]
    task = StubTask(inputs["labels"], case["num_classes"])
    method: Any = make("moit", task, correction=1, neighbours=settings["k"], balance=settings["balance"])
    features = torch.tensor(inputs["features"])
    method.projector = torch.nn.Identity()
    method.network.feature = features
    method.epoch_start(2)
    found = up_to_ties(method.trusted > 0, wanted["selected"], method.discrepancy, task.labels)
    assert found.tolist() == wanted["selected"]
    torch.testing.assert_close(method.discrepancy, torch.tensor(wanted["discrepancy2"]), atol=1e-5, rtol=1e-5)


# --- what is beyond the vectors


def test_what_is_not_yet_remembered_counts_for_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(8, 3, generator=generator))
    labels, partners = torch.tensor([0, 1, 0, 1]), torch.tensor([[1, 0, 3, 2], [2, 3, 0, 1]])
    pairs, portions = labels[:, None] == labels, torch.tensor([0.7, 0.8])
    small, large = Memory(8, 3), Memory(30, 3)
    found = []
    for memory in (small, large):
        rows = memory.write(features, labels.repeat(2))
        known = (labels[:, None] == memory.numbers) & (memory.numbers >= 0)
        found.append(memory.losses(features, known, pairs, partners, rows, portions, 0.1))
    torch.testing.assert_close(*found)


def test_a_memory_that_is_full_begins_again() -> None:
    memory, number = Memory(5, 1), torch.arange(2)
    rows = [memory.write(torch.ones(2, 1), number).tolist() for _ in range(4)]
    assert rows == [[0, 1], [2, 3], [3, 4], [0, 1]]


def test_of_selected_pairs_few_are_left_and_images_without_any_do_not_count() -> None:
    task = StubTask([0, 0, 1, 1], 2)
    method: Any = make("moit", task, pairs="selected", pair_quantile=0.0)
    method.features[:] = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 0.0]])) @ torch.eye(2, 128)
    method.trusted.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    method.threshold.fill_(0.9)
    rows = torch.arange(4)
    wanted = torch.eye(4).bool()
    wanted[0, 1] = wanted[1, 0] = True  # alike; the other two are not, and one of them is not selected
    assert torch.equal(method.paired(rows, rows), wanted)
    assert not method.paired(rows, torch.tensor([-1, -1])).any()
    losses = torch.ones(8)
    assert float(method.mean_of(losses, wanted & apart(4))) == pytest.approx(0.5)


def test_moit_plus_ends_with_the_selected_alone_and_bootstraps_late() -> None:
    task = StubTask([0, 1, 0, 1], 2, epochs=10)
    method: Any = make("moit_plus", task, fine_tuning=4, bootstrap_after=0.5, bootstrap=1.0, correction=10)
    assert [stage.epochs for stage in method.stages()] == [6, None]
    method.trusted.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0]))
    [phase] = method.epoch_start(7)
    assert phase.rows.tolist() == [0, 3]
    losses = []
    for epoch in (8, 9):
        logits = torch.tensor([[0.0, 3.0], [3.0, 0.0]])
        method.network.answers = [logits, logits]
        batch = replace(make_batch(method, [0, 1], [0, 3], epoch), phase="tuning")
        losses.append(float(method.loss(batch)))
    assert losses[0] > 1 > losses[1]
