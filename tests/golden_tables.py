"""Reference vectors of methods with a table or a schedule: pure functions over several steps, and `Method.loss`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from loss_inputs import elr_loss
from torch import Tensor, nn

from methods.base import Method
from methods.car import car_loss, car_targets
from methods.cores import cores_loss, cores_losses
from methods.elr import elr_targets
from methods.gce import truncated_gce_loss, unpruned
from methods.selc import selc_loss, selc_targets


def rows(case: Case, step: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Index and labels of a step's batch."""
    return torch.tensor(step["inputs"]["index"]), torch.tensor(step["inputs"]["labels"])


def step_method(
    method: Method, case: Case, step: dict[str, Any], epoch: int, observed: dict[str, Any] | None = None
) -> Got:
    """One `loss` of a one-network method on a stub; loss and gradient of the logits."""
    logits = leaf(step["inputs"]["logits"])
    method.task.network().answers = [logits]
    batch = make_batch(method, step["inputs"]["labels"], step["inputs"]["index"], epoch, observed)
    loss = method.loss(batch)
    return {"loss": loss, "grad": gradients(loss, logits=logits)}


def elr_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings, table = case["settings"], torch.tensor(case["init_state"]["target"], dtype=dtype)
    for step in case["steps"]:
        index, labels = rows(case, step)
        logits = leaf(step["inputs"]["logits"], dtype)
        table[index] = elr_targets(table[index], logits, settings["beta"])
        loss = elr_loss(logits, labels, table[index], settings["lambda"])
        yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}, "state": {"target": table}}


def elr_by_method(case: Case) -> Iterator[Got]:
    settings = case["settings"]
    task = StubTask(case["table_labels"], case["num_classes"])
    method = make("elr", task, momentum=settings["beta"], penalty=settings["lambda"])
    method.targets.copy_(torch.tensor(case["init_state"]["target"]))
    for step in case["steps"]:
        yield {"outputs": step_method(method, case, step, 1), "state": {"target": method.targets}}


def nal_by_function(case: Case, dtype: torch.dtype, authors_behaviour: bool = True) -> Iterator[Got]:
    settings, table = case["settings"], torch.tensor(case["init_state"]["soft_labels"], dtype=dtype)
    for step in case["steps"]:
        index = rows(case, step)[0]
        logits = leaf(step["inputs"]["logits"], dtype)
        gate = leaf(step["inputs"]["confidence_logits"], dtype)
        h, updated = gate.sigmoid().squeeze(1), []
        if step["epoch"] >= settings["es"] and step["epoch"] % 10 == 0:
            table[index] = car_targets(table[index], logits, h, settings["momentum"], settings["threshold_update"])
            table.clamp_(1e-4, 1)
            updated = (h > settings["threshold_update"]).nonzero()[:, 0].tolist()
        targets = table[index].clamp(1e-4, 1)
        loss = car_loss(logits, targets, gate.squeeze(1), settings["lam"], settings["beta"], authors_behaviour)
        grad = gradients(loss, logits=logits, confidence_logits=gate)
        yield {
            "outputs": {"loss": loss, "grad": grad, "rows_updated": updated},
            "state": {"soft_labels": table},
        }


def nal_by_method(case: Case, name: str = "nal", authors_behaviour: bool | None = None) -> Iterator[Got]:
    """The stub's only feature is the confidence logit, which a branch of weight 1 and bias 0 hands on.

    authors_behaviour: None: wherever their loss is a number; the informational case is the one in which it is not.
    """
    settings = case["settings"]
    authors_behaviour = case["compare"] if authors_behaviour is None else authors_behaviour
    task = StubTask(case["table_labels"], case["num_classes"])
    method = make(
        name,
        task,
        penalty=settings["lam"],
        auxiliary=settings["beta"],
        momentum=settings["momentum"],
        threshold=settings["threshold_update"],
        start=settings["es"],
        update_every=10,
        branch_features="plain",
        branch_gradient=True,
        logit_bound=0.0,
        authors_behaviour=authors_behaviour,
    )
    nn.init.ones_(method.indicator.weight)
    nn.init.zeros_(method.indicator.bias)
    method.targets.copy_(torch.tensor(case["init_state"]["soft_labels"]))
    for step in case["steps"]:
        gate, logits = leaf(step["inputs"]["confidence_logits"]), leaf(step["inputs"]["logits"])
        network = task.network()
        network.feature, network.answers = gate, [logits]
        observed: dict[str, Any] = {}
        loss = method.loss(
            make_batch(method, step["inputs"]["labels"], step["inputs"]["index"], step["epoch"], observed)
        )
        torch.testing.assert_close(observed["confidence"], gate.detach().sigmoid().squeeze(1))
        grad = gradients(loss, logits=logits, confidence_logits=gate)
        yield {"outputs": {"loss": loss, "grad": grad}, "state": {"soft_labels": method.targets}}


def clamps_idle(case: Case) -> bool:
    """Whether the authors' clamps of h and q change no value of this NAL case (that of p changes too little)."""
    for step in case["steps"]:
        h = torch.tensor(step["inputs"]["confidence_logits"], dtype=torch.float64).sigmoid()
        p = torch.tensor(step["inputs"]["logits"], dtype=torch.float64).softmax(1)
        smallest = h * p + (1 - h) * 1e-4  # q, as no target is below 1e-4
        if bool((h < 1e-12).any() or (h > 1 - 1e-12).any() or (smallest < 1e-7).any()):
            return False
    return True


def selc_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings, table = case["settings"], torch.tensor(case["init_state"]["soft_labels"], dtype=dtype)
    for step in case["steps"]:
        index, labels = rows(case, step)
        logits = leaf(step["inputs"]["logits"], dtype)
        targets = F.one_hot(labels, case["num_classes"]).to(dtype)
        if step["epoch"] > settings["es"]:
            targets = table[index] = selc_targets(table[index], logits, settings["momentum"])
        loss = selc_loss(logits, targets)
        yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}, "state": {"soft_labels": table}}


def selc_by_method(case: Case) -> Iterator[Got]:
    settings = case["settings"]
    task = StubTask(case["table_labels"], case["num_classes"])
    method = make("selc", task, momentum=settings["momentum"], start=settings["es"])
    method.targets.copy_(torch.tensor(case["init_state"]["soft_labels"]))
    for step in case["steps"]:
        outputs = step_method(method, case, step, step["epoch"])
        yield {"outputs": outputs, "state": {"soft_labels": method.targets}}


def truncated_gce_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    q, k = case["settings"]["q"], case["settings"]["k"]
    table = torch.tensor(case["init_state"]["weight"], dtype=dtype)
    for step in case["steps"]:
        index, labels = rows(case, step)
        logits = leaf(step["inputs"]["logits"], dtype)
        if step["op"] == "loss":
            loss = truncated_gce_loss(logits, labels, table[index], q, k)
            yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}, "state": {"weight": table}}
        else:
            table[index] = unpruned(logits.detach(), labels, k)
            yield {"state": {"weight": table}}


def truncated_gce_by_method(case: Case) -> Iterator[Got]:
    """The whole table is refreshed at once, so samples out of the batch get logits that leave their weight as it is."""
    settings = case["settings"]
    task = StubTask(case["table_labels"], case["num_classes"])
    method = make("truncated_gce", task, q=settings["q"], k=settings["k"], start=2, every=1)
    method.weights.copy_(torch.tensor(case["init_state"]["weight"]))
    for step in case["steps"]:
        if step["op"] == "loss":
            yield {"outputs": step_method(method, case, step, 3), "state": {"weight": method.weights}}
            continue
        index, labels = rows(case, step)
        assert torch.equal(task.labels[index], labels)
        sign = 2 * method.weights[:, None] - 1
        task.all_logits = 50 * sign * F.one_hot(task.labels, case["num_classes"])
        task.all_logits[index] = torch.tensor(step["inputs"]["logits"])
        method.epoch_start(3)
        yield {"state": {"weight": method.weights}}


def cores_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    for number, step in enumerate(case["steps"]):
        labels = rows(case, step)[1]
        logits = leaf(step["inputs"]["logits"], dtype)
        prior = step["inputs"].get("noise_prior")
        beta = case["settings"]["beta_by_epoch"][number]
        losses, score = cores_losses(logits, labels, beta, None if prior is None else torch.tensor(prior))
        kept = (score <= 0).to(dtype) if step["epoch"] > 30 else torch.ones_like(score)
        loss = cores_loss(losses, kept)
        ce = F.cross_entropy(logits, labels, reduction="none")
        yield {
            "outputs": {
                "loss": loss,
                "grad": gradients(loss, logits=logits),
                "kept": kept.int(),
                "ce": ce,
                "score": score,
            }
        }


def cores_by_method(case: Case) -> Iterator[Got]:
    """Epochs of the files count from 0."""
    task = StubTask(case["table_labels"], case["num_classes"])
    use_prior = case["settings"]["noise_prior"]
    method = make("cores", task, warm_up=10, ramp=30, select_after=31, use_prior=use_prior, divide=False)
    for step in case["steps"]:
        if use_prior:
            method.prior.copy_(torch.tensor(step["inputs"]["noise_prior"]))
        observed: dict[str, Any] = {}
        outputs = step_method(method, case, step, step["epoch"] + 1, observed)
        score = -method.clean_scores()[rows(case, step)[0]]
        yield {"outputs": {**outputs, "kept": observed["selected"].int(), "score": score}}
