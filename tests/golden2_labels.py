"""Reference vectors of methods that give samples labels of their own: PENCIL and joint optimisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from golden2_matrices import stepped
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.joint_optimization import joint_loss
from methods.pencil import classification_loss, compatibility_loss, entropy_loss, label_logits


def visited(case: Case, step: dict[str, Any], table: Tensor) -> Tensor:
    """The case's table at its start, with the rows of the step's batch as `table` has them."""
    rows = torch.tensor(step["inputs"]["index"])
    found = torch.tensor(case["init_state"]["label_logits"])
    found[rows] = table.detach()[rows]
    return found


def pencil_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    table = torch.tensor(case["init_state"]["label_logits"], dtype=dtype)
    for step in case["steps"]:
        index, labels = torch.tensor(step["inputs"]["index"]), torch.tensor(step["inputs"]["labels"])
        logits, beliefs = leaf(step["inputs"]["logits"], dtype), table[index].requires_grad_()
        loss = F.cross_entropy(logits, labels) if step["stage"] == 1 else classification_loss(logits, beliefs)
        if step["stage"] == 2:
            loss = loss + settings["alpha"] * compatibility_loss(beliefs, labels)
            loss = loss + settings["beta"] * entropy_loss(logits)
        grad = gradients(loss, logits=logits, beliefs=beliefs)
        if step["stage"] == 1:
            table[index] = label_logits(labels, case["num_classes"], 10.0).to(dtype)
        if step["stage"] == 2:
            table[index] = (beliefs - settings["lambda1"] * grad["beliefs"]).detach()
        yield {"outputs": {"loss": loss, "grad": {"logits": grad["logits"]}}, "state": {"label_logits": table.clone()}}


def pencil_by_method(case: Case) -> Iterator[Got]:
    """In the first stage the method's table is what the official code writes for the batch, from the start."""
    settings = case["settings"]
    method: Any = make(
        "pencil",
        StubTask(case["table_labels"], case["num_classes"], epochs=320),
        warm_up=settings["stage1"],
        correction=settings["stage2"] - settings["stage1"],
        compatibility=settings["alpha"],
        entropy=settings["beta"],
        label_lr=settings["lambda1"],
    )
    if case["steps"][0]["stage"] > 1:
        method.beliefs.data.copy_(torch.tensor(case["init_state"]["label_logits"]))
    optimizer = stepped(method.parameter_groups()[1], "SGD")
    for step in case["steps"]:
        logits = leaf(step["inputs"]["logits"])
        method.network.answers = [logits]
        batch = make_batch(method, step["inputs"]["labels"], step["inputs"]["index"], step["epoch"] + 1)
        loss = method.loss(batch)
        grad = gradients(loss, logits=logits, beliefs=method.beliefs)
        method.beliefs.grad = grad.pop("beliefs")
        optimizer.step()
        table = visited(case, step, method.beliefs) if step["stage"] == 1 else method.beliefs.detach().clone()
        yield {"outputs": {"loss": loss, "grad": grad}, "state": {"label_logits": table}}


def joint_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    """Labels are renewed by the method alone."""
    settings = case["settings"]
    for step in case["steps"]:
        if "logits" not in step["inputs"]:
            yield from joint_by_method(case)
            return
        logits, targets = (
            leaf(step["inputs"]["logits"], dtype),
            torch.tensor(step["inputs"]["soft_labels"], dtype=dtype),
        )
        loss = joint_loss(logits, targets, settings["alpha"], settings["beta"])
        yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits), "predictions": logits.softmax(1)}}


def joint_by_method(case: Case) -> Iterator[Got]:
    settings, steps = case["settings"], case["steps"]
    labels = case.get("table_labels") or steps[0]["inputs"]["labels"]
    task = StubTask(labels, len((steps[0]["inputs"].get("logits") or steps[0]["inputs"]["predictions"])[0]), epochs=320)
    chosen = {"prior": settings["alpha"], "entropy": settings["beta"]} if "alpha" in settings else settings
    method: Any = make("joint_optimization", task, **{key: chosen[key] for key in chosen})
    if "ring" in (case.get("init_state") or {}):
        method.recent.copy_(torch.tensor(case["init_state"]["ring"]))
        method.targets.copy_(torch.tensor(case["init_state"]["soft_labels"]))
    for step in steps:
        if "logits" in step["inputs"]:
            logits = leaf(step["inputs"]["logits"])
            method.targets.copy_(torch.tensor(step["inputs"]["soft_labels"]))
            method.network.answers = [logits]
            loss = method.loss(make_batch(method, labels))
            yield {
                "outputs": {
                    "loss": loss,
                    "grad": gradients(loss, logits=logits),
                    "predictions": method.predicted.clone(),
                }
            }
        else:
            method.predicted.copy_(torch.tensor(step["inputs"]["predictions"]))
            method.epoch_start(step["count"] + 1)
            soft = method.targets.clone()
            yield {"state": {"soft_labels": soft, "labels": soft.argmax(1)}}
