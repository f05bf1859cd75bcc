"""The semi-supervised methods against numbers of their authors' code (`NOISY_BENCH_GOLDEN2`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from golden2_support import agree, cases_of
from golden_support import Case, Got, Step, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.disc import DynamicInstanceSelection, division, supervised_loss
from methods.neighbours import neighbour_votes
from methods.semi_supervised import mixed, soft_cross_entropy
from methods.ssr import SampleSelectionAndRelabelling, agreement, balanced_votes, feature_consistency, relabelled

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


# --- DISC


def disc_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings, labels = case["settings"], torch.tensor(case["table_labels"])
    thresholds = torch.tensor([case["init_state"]["tau_weak"], case["init_state"]["tau_strong"]], dtype=dtype)
    probabilities = torch.zeros(2, len(labels), case["num_classes"], dtype=dtype)
    clean = hard = mix = torch.zeros(len(labels), dtype=torch.bool)
    mix_labels = labels
    for step in case["steps"]:
        outputs = {}
        for name, inputs in step["inputs"].items():
            index = torch.tensor(inputs["index"])
            leaves = {key: leaf(inputs[key], dtype) for key in inputs if key.startswith("logits")}
            both = [leaves["logits_weak"], leaves["logits_strong"]]
            probabilities[:, index] = torch.stack(both).detach().softmax(2)
            everything = torch.ones_like(index, dtype=torch.bool)
            warm = step["epoch"] < settings["start_epoch"]
            flags = (everything, ~everything) if warm else (clean[index], hard[index])
            loss = sum(supervised_loss(z, labels[index], *flags, settings["lamd_h"], settings["q"]) for z in both)
            count = 0 if warm else int(mix[index].sum())
            if count and "logits_mix_w" in leaves:
                targets = F.one_hot(mix_labels[index][mix[index]], case["num_classes"]).to(dtype)
                for end in "ws":
                    partner = torch.tensor([at for at in inputs[f"permutation_{end}"] if at < count])
                    share = max(inputs[f"lam_{end}"], 1 - inputs[f"lam_{end}"])
                    loss = loss + soft_cross_entropy(
                        leaves[f"logits_mix_{end}"][:count], mixed(targets, partner, share)
                    )
            assert isinstance(loss, Tensor)
            outputs[name] = {"loss": loss, "grad": gradients(loss, **leaves)}
        surest, predicted = probabilities.mean(0).max(1)
        given = probabilities.gather(2, labels.expand(2, -1)[:, :, None]).squeeze(2)
        clean, hard, purified = division(given, surest, thresholds, settings["sigma"])
        mix = clean | hard | purified
        mix_labels = torch.where(mix, torch.where(purified, predicted, labels), mix_labels)
        thresholds = settings["momentum"] * thresholds + (1 - settings["momentum"]) * probabilities.amax(2)
        state = {"clean": clean, "hard": hard, "purified": purified, "mix": mix, "mix_labels": mix_labels}
        yield {"outputs": outputs, "state": {**state, "tau_weak": thresholds[0], "tau_strong": thresholds[1]}}


def disc_by_method(case: Case) -> Iterator[Got]:
    settings = case["settings"]
    task = StubTask(case["table_labels"], case["num_classes"])
    own = {"hard_weight": "lamd_h", "warm_up": "start_epoch", **{key: key for key in ("momentum", "sigma", "q")}}
    method = make("disc", task, **{key: settings[name] for key, name in own.items()})
    assert isinstance(method, DynamicInstanceSelection)
    method.thresholds.copy_(torch.tensor([case["init_state"]["tau_weak"], case["init_state"]["tau_strong"]]))
    method.epoch_start(1)
    for step in case["steps"]:
        outputs = {}
        for name, inputs in step["inputs"].items():
            leaves = {key: leaf(inputs[key]) for key in inputs if key.startswith("logits")}
            loss = disc_step(method, task, step, inputs, leaves)
            outputs[name] = {"loss": loss, "grad": gradients(loss, **leaves)}
        method.epoch_start(step["epoch"] + 2)
        clean, hard, purified = method.sets
        state = {"clean": clean, "hard": hard, "purified": purified, "mix": method.sets.any(0)}
        state |= dict(zip(("tau_weak", "tau_strong"), method.thresholds, strict=True))
        yield {"outputs": outputs, "state": {**state, "mix_labels": method.mix_labels}}


def disc_step(
    method: DynamicInstanceSelection, task: StubTask, step: Step, inputs: Step, leaves: dict[str, Tensor]
) -> Tensor:
    """The loss of a batch, whose mixed passes are answered with the given logits; none where none are given."""
    labels = method.task.labels[inputs["index"]]
    batch = make_batch(method, labels.tolist(), inputs["index"], step["epoch"] + 1)
    count = int(method.sets[:, inputs["index"]].any(0).sum())
    network: Any = task.network()
    network.answers = [torch.cat([leaves["logits_weak"], leaves["logits_strong"]])]
    if "logits_mix_w" not in inputs:
        with mock.patch.object(type(method), "mixed_loss", lambda *given: torch.zeros(())):
            return method.loss(batch)
    network.answers += [leaves[f"logits_mix_{end}"][:count] for end in "ws"]
    task.rng = mock.Mock(beta=mock.Mock(side_effect=[inputs[f"lam_{end}"] for end in "ws"]))
    partners = [torch.tensor([at for at in inputs[f"permutation_{end}"] if at < count]) for end in "ws"]
    with mock.patch("methods.semi_supervised.torch.randperm", side_effect=partners):
        return method.loss(batch)


@DTYPES
@pytest.mark.parametrize(("file", "case"), cases_of("disc"))
def test_disc_by_function(file: str, case: Case, dtype: torch.dtype) -> None:
    agree(file, case, disc_by_function(case, dtype))


@pytest.mark.parametrize(("file", "case"), cases_of("disc"))
def test_disc_by_method(file: str, case: Case) -> None:
    agree(file, case, disc_by_method(case))


# --- SSR


def ssr_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    for step in case["steps"]:
        inputs = step["inputs"]
        if settings.get("op") == "feature_consistency":
            p, z = leaf(inputs["p"], dtype), leaf(inputs["z"], dtype)
            loss = feature_consistency(p, z)
            yield {"outputs": {"loss": loss, "grad": gradients(loss, p=p)}}
            continue
        features, logits = (torch.tensor(inputs[key], dtype=dtype) for key in ("features", "logits"))
        labels = relabelled(logits, torch.tensor(inputs["labels"]), settings["theta_r"])
        votes = balanced_votes(features, labels, case["num_classes"], settings["k"])
        clean = agreement(votes, labels) >= settings["theta_s"]
        yield {"outputs": {"votes": votes, **ssr_found(labels, clean)}}


def ssr_found(labels: Tensor, clean: Tensor) -> Got:
    rows = {"clean_index": clean.nonzero()[:, 0], "noisy_index": (~clean).nonzero()[:, 0]}
    return {"modified_labels": labels, **rows}


@DTYPES
@pytest.mark.parametrize(("file", "case"), cases_of("ssr"))
def test_ssr_by_function(file: str, case: Case, dtype: torch.dtype) -> None:
    agree(file, case, ssr_by_function(case, dtype))


@pytest.mark.parametrize(("file", "case"), cases_of("ssr"))
def test_ssr_selects_by_method(file: str, case: Case) -> None:
    settings = case["settings"]
    if "op" in settings:
        pytest.skip("the case is of a function alone")
    inputs = case["steps"][0]["inputs"]
    task = StubTask(inputs["labels"], case["num_classes"])
    own = {"theta_r": settings["theta_r"], "theta_s": settings["theta_s"], "neighbours": settings["k"]}
    method = make("ssr", task, **own)
    assert isinstance(method, SampleSelectionAndRelabelling)
    network: Any = task.network()
    network.feature, network.answers = torch.tensor(inputs["features"]), [torch.tensor(inputs["logits"])]
    phase = method.epoch_start(1)[0]
    agree(file, case, iter([{"outputs": ssr_found(method.labels, method.clean)}]), frozenset({"votes"}))
    assert sum(len(rows) for rows, _ in phase.streams.values()) == int(method.clean.sum())


# --- what is beyond the vectors


def test_neighbours_may_leave_a_sample_itself_out() -> None:
    features, labels = torch.eye(3)[[0, 0, 1, 1, 2, 2]], torch.tensor([0, 1, 0, 1, 0, 1])
    assert torch.equal(neighbour_votes(features, labels, 2, 1, itself=False).argmax(1), 1 - labels)
    assert torch.equal(neighbour_votes(features, labels, 2, 2, itself=True), torch.ones(6, 2))
    torch.manual_seed(0)
    many, named = torch.randn(1100, 4), torch.randint(3, (1100,))  # more than are compared at once
    likeness = F.normalize(many) @ F.normalize(many).T
    likeness.fill_diagonal_(-1)
    wanted = F.one_hot(named[likeness.topk(5, 1).indices], 3).sum(1).float()
    assert torch.equal(neighbour_votes(many, named, 3, 5, itself=False), wanted)
