"""Reference vectors of methods with a transition matrix: VolMinNet and T-Revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.loss_correction import forward_losses
from methods.t_revision import anchored_matrix, normalised_as_authors, revision_loss, reweighted_loss
from methods.volminnet import log_volume, volminnet_loss, volume_matrix


def stepped(group: dict[str, Any], kind: str) -> torch.optim.Optimizer:
    """torch's optimiser of a method's parameter group."""
    settings = {key: value for key, value in group.items() if key not in ("optimizer", "schedule")}
    params = settings.pop("params")
    made: torch.optim.Optimizer = getattr(torch.optim, kind)(params, **settings)
    return made


def volminnet_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    weights = leaf(case["init_state"]["w"], dtype)
    plain = {"momentum": 0.9} if settings["optimizer"] == "SGD" else {}
    optimizer = stepped({"params": [weights], "lr": settings["lr"], **plain}, settings["optimizer"])
    for step in case["steps"]:
        logits, labels = leaf(step["inputs"]["logits"], dtype), torch.tensor(step["inputs"]["labels"])
        matrix = volume_matrix(weights)
        loss = volminnet_loss(logits, labels, weights, settings["lam"])
        weights.grad = gradients(loss, w=weights)["w"]
        grad = {**gradients(volminnet_loss(logits, labels, weights, settings["lam"]), logits=logits), "w": weights.grad}
        ce = forward_losses(logits, labels, matrix).mean()
        outputs = {"T": matrix, "ce": ce, "log_det": log_volume(matrix), "loss": loss, "grad": grad}
        outputs = {key: value.detach() if isinstance(value, Tensor) else value for key, value in outputs.items()}
        optimizer.step()
        yield {"outputs": outputs, "state": {"w": weights}}


def volminnet_by_method(case: Case) -> Iterator[Got]:
    settings = case["settings"]
    task = StubTask(case["steps"][0]["inputs"]["labels"], case["num_classes"])
    kind = settings["optimizer"].lower()
    hyper = {"penalty": settings["lam"], "initial": settings["init"], "matrix_lr": settings["lr"]}
    method: Any = make("volminnet", task, **hyper, matrix_optimizer=kind)
    if case["name"].startswith("init"):
        torch.testing.assert_close(method.weights.detach(), torch.tensor(case["init_state"]["w"]))
    method.weights.data.copy_(torch.tensor(case["init_state"]["w"]))
    optimizer = stepped(method.parameter_groups()[1], settings["optimizer"])
    for step in case["steps"]:
        logits = leaf(step["inputs"]["logits"])
        method.network.answers = [logits]
        loss = method.loss(make_batch(method, step["inputs"]["labels"]))
        grad = gradients(loss, logits=logits, w=method.weights)
        method.weights.grad = grad["w"]
        optimizer.step()
        yield {"outputs": {"loss": loss, "grad": grad}, "state": {"w": method.weights}}


def t_revision_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    for step in case["steps"]:
        inputs = step["inputs"]
        if "probs" in inputs:
            percentile = settings["percentile"] if settings["filter_outlier"] else 100.0
            matrix = anchored_matrix(torch.tensor(inputs["probs"], dtype=dtype), percentile)
            yield {"outputs": {"T": matrix, "T_norm": normalised_as_authors(matrix)}}
            continue
        kind, labels = settings["loss"], torch.tensor(inputs["labels"])
        logits, matrix = leaf(inputs["logits"], dtype), torch.tensor(inputs["T"], dtype=dtype)
        wanted, used = {"logits": logits}, matrix
        if "correction" in inputs:
            wanted["correction"] = leaf(inputs["correction"], dtype)
            used = matrix + wanted["correction"]
        if kind == "reweighting_revision_loss":
            loss = revision_loss(logits, labels, matrix, wanted["correction"], True)
        else:
            loss = reweighted_loss(logits, labels, used)
        yield {"outputs": {"loss": loss, "grad": gradients(loss, **wanted)}}


def t_revision_by_method(case: Case) -> Iterator[Got]:
    """The second version of the losses, and an estimate on its own, are not what the method does."""
    settings = case["settings"]
    for number, step in enumerate(case["steps"]):
        inputs = step["inputs"]
        classes = len((inputs.get("probs") or inputs["logits"])[0])
        percentile = float(settings["percentile"]) if settings.get("filter_outlier") else 100.0
        hyper = {"estimate": 1, "reweight": 1, "percentile": percentile, "authors_behaviour": True}
        task = StubTask(inputs.get("labels") or [0] * len(inputs["probs"]), classes)
        method: Any = make("t_revision", task, **hyper)
        if "probs" in inputs:
            task.all_logits = torch.tensor(inputs["probs"], dtype=torch.float64).log()
            method.stage_start(1)
            yield {"outputs": {"T_norm": method.matrix, "T": step["outputs"]["T"]}}
            continue
        if settings["loss"].endswith("_v2"):
            yield list(t_revision_by_function(case, torch.float32))[number]
            continue
        method.matrix.copy_(torch.tensor(inputs["T"]))
        logits = leaf(inputs["logits"])
        method.network.answers = [logits]
        wanted = {"logits": logits}
        if "correction" in inputs:
            method.correction.data.copy_(torch.tensor(inputs["correction"]))
            wanted["correction"] = method.correction
        loss = method.loss(make_batch(method, inputs["labels"], epoch=3 if "correction" in inputs else 2))
        yield {"outputs": {"loss": loss, "grad": gradients(loss, **wanted)}}
