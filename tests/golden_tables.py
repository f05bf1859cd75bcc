"""Reference vectors of methods with a table or a schedule: pure functions over several steps, and `Method.loss`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor, nn

from methods.base import Method
from methods.car import car_loss, car_targets
from methods.cdr import critical_gradients
from methods.cores import cores_loss, cores_losses
from methods.elr import elr_loss, elr_targets
from methods.gce import truncated_gce_loss, unpruned
from methods.nlnl import negative_loss, positive_loss
from methods.selc import selc_loss, selc_targets
from methods.sop import sop_loss


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


def nal_by_method(case: Case, name: str = "nal", authors_behaviour: bool = True) -> Iterator[Got]:
    """The stub's only feature is the confidence logit, which a branch of weight 1 and bias 0 hands on."""
    settings = case["settings"]
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
    """Whether none of the authors' clamps of p, h and q would change a value of this NAL case."""
    for step in case["steps"]:
        h = torch.tensor(step["inputs"]["confidence_logits"], dtype=torch.float64).sigmoid()
        p = torch.tensor(step["inputs"]["logits"], dtype=torch.float64).softmax(1)
        # q is at least the share that the target, itself at least 1e-4, has in it.
        smallest = torch.minimum((1 - h) * 1e-4 + h * p, p)
        if bool((h < 1e-12).any() or (h > 1 - 1e-12).any() or (smallest < 1e-12).any()):
            return False
        if bool(((1 - h) * 1e-4 + h * p < 1e-7).any()):
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


def sop_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    u, v = (torch.tensor(case["init_state"][key], dtype=dtype) for key in ("u", "v"))
    for step in case["steps"]:
        index, labels = rows(case, step)
        logits = leaf(step["inputs"]["logits"], dtype)
        weak, strong = (logits.chunk(2)) if len(logits) > len(labels) else (logits, None)
        own_u, own_v = u[index].requires_grad_(), v[index].requires_grad_()
        loss = sop_loss(weak, labels, own_u, own_v, strong, settings["ratio_consistency"], settings["ratio_balance"])
        grad = gradients(loss, logits=logits, u=own_u, v=own_v)
        u[index] -= settings["lr_u"] * grad["u"]
        v[index] -= settings["lr_v"] * grad["v"]
        yield {"outputs": {"loss": loss, "grad": grad}, "state": {"u": u, "v": v}}


def sop_by_method(case: Case) -> Iterator[Got]:
    """The groups that the method asks for are handed to plain SGD. Cases with a second view belong to SOP+."""
    settings = case["settings"]
    if settings["ratio_consistency"] or settings["ratio_balance"]:
        return
    task = StubTask(case["table_labels"], case["num_classes"])
    method = make("sop", task, lr_u=settings["lr_u"], lr_v=settings["lr_v"])
    with torch.no_grad():
        method.u.copy_(torch.tensor(case["init_state"]["u"]))
        method.v.copy_(torch.tensor(case["init_state"]["v"]))
    groups = [{k: g[k] for k in ("params", "lr", "momentum", "weight_decay")} for g in method.parameter_groups()[1:]]
    optimizer = torch.optim.SGD(groups)
    for step in case["steps"]:
        index = rows(case, step)[0]
        logits = leaf(step["inputs"]["logits"])
        task.network().answers = [logits]
        loss = method.loss(make_batch(method, step["inputs"]["labels"], step["inputs"]["index"]))
        optimizer.zero_grad()
        loss.backward()
        grad = {"logits": logits.grad, "u": method.u.grad[index], "v": method.v.grad[index]}
        optimizer.step()
        yield {"outputs": {"loss": loss, "grad": grad}, "state": {"u": method.u, "v": method.v}}


def nlnl_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    weight, threshold = torch.tensor(settings["class_weight"]), settings["select_threshold"]
    for step in case["steps"]:
        labels = rows(case, step)[1]
        logits = leaf(step["inputs"]["logits"], dtype)
        past = torch.tensor(step["inputs"]["pred_history_mean_py"])
        kept = (past >= (threshold or 0)).to(dtype)
        if positive := settings["phase"] == "SelPL":
            loss = positive_loss(logits, labels, weight, kept)
        else:
            loss = negative_loss(logits, labels, torch.tensor(step["inputs"]["labels_neg"]), weight, kept)
        count = int(kept.sum())
        counts = {"num_pl": count if positive else 0, "num_nl": 0 if positive else count}
        yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits), **counts}}


def nlnl_by_method(case: Case) -> Iterator[Got]:
    """The epoch chooses the stage: 1 is NL, 2 SelNL, 3 SelPL. With a history of one epoch the mean is that epoch."""
    settings = case["settings"]
    task = StubTask(case["table_labels"], case["num_classes"])
    method = make(
        "nlnl",
        task,
        negative_epochs=1,
        selective_epochs=1,
        positive_epochs=1,
        complementary=settings["ln_neg"],
        history=1,
        cut=settings["select_threshold"] if settings["phase"] == "SelPL" else 0.5,
    )
    method.class_weight.copy_(torch.tensor(settings["class_weight"]))
    epoch = {"NL": 1, "SelNL": 2, "SelPL": 3}[settings["phase"]]
    for step in case["steps"]:
        index = rows(case, step)[0]
        method.past[0, index] = torch.tensor(step["inputs"]["pred_history_mean_py"])
        drawn = torch.tensor(step["inputs"]["labels_neg"])
        assert method.draw(task.labels).shape == (len(task.labels), drawn.shape[1])
        method.draw = lambda labels, drawn=drawn: drawn
        observed: dict[str, Any] = {}
        outputs = step_method(method, case, step, epoch, observed)
        del method.draw
        count = int(observed["selected"].sum())
        yield {"outputs": {**outputs, "num_pl": count * (epoch == 3), "num_nl": count * (epoch < 3)}}


class CdrNetwork(nn.Module):
    """The network of the CDR cases: convolution, ReLU, mean over the last axis, linear layer."""

    def __init__(self, parameters: dict[str, Any], dtype: torch.dtype) -> None:
        super().__init__()
        values = {name: torch.tensor(value, dtype=dtype) for name, value in parameters.items()}
        out, inside, *kernel = values["conv.weight"].shape
        self.conv = nn.Conv2d(inside, out, tuple(kernel), dtype=dtype)
        self.fc = nn.Linear(*reversed(values["fc.weight"].shape), dtype=dtype)
        self.load_state_dict(values)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.conv(images).relu().mean(-1).flatten(1))


def _cdr_optimizer(network: nn.Module, settings: dict[str, Any]) -> torch.optim.SGD:
    return torch.optim.SGD(
        network.parameters(),
        lr=settings["lr"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
    )


def cdr_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    network = CdrNetwork(case["init_state"]["params"], dtype)
    optimizer = _cdr_optimizer(network, settings)
    weights = [network.conv.weight, network.fc.weight]
    for step in case["steps"]:
        optimizer.zero_grad()
        images, labels = torch.tensor(step["inputs"]["x"], dtype=dtype), torch.tensor(step["inputs"]["labels"])
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        with torch.no_grad():
            masked = critical_gradients(weights, [w.grad for w in weights], settings["nonzero_ratio"], settings["clip"])
        for weight, gradient in zip(weights, masked, strict=True):
            weight.grad = gradient
        grad = {name: p.grad for name, p in network.named_parameters()}
        optimizer.step()
        yield {"outputs": {"loss": loss, "masked_grad": grad}, "state": {"params": dict(network.named_parameters())}}


def cdr_by_method(case: Case) -> Iterator[Got]:
    settings = case["settings"]
    network = CdrNetwork(case["init_state"]["params"], torch.float32)
    task = StubTask([0], case["num_classes"], {"noise_rate": settings["noise_rate"]}, networks={0: network})
    method = make("cdr", task)
    optimizer = _cdr_optimizer(network, settings)
    for step in case["steps"]:
        optimizer.zero_grad()
        batch = make_batch(method, step["inputs"]["labels"])
        object.__setattr__(batch, "views", (torch.tensor(step["inputs"]["x"]),))
        loss = method.loss(batch)
        loss.backward()
        method.after_backward()
        grad = {name: p.grad for name, p in network.named_parameters()}
        optimizer.step()
        yield {"outputs": {"loss": loss, "masked_grad": grad}, "state": {"params": dict(network.named_parameters())}}
