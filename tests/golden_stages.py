"""Reference vectors of methods with parameters, gradients or stages of their own: SOP, NLNL, CDR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from golden_tables import rows, step_method
from torch import Tensor, nn

from methods.cdr import critical_gradients
from methods.nlnl import negative_loss, positive_loss
from methods.sop import sop_loss


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
    """The groups that the method asks for are handed to plain SGD. A case with a second view or a balance is SOP+."""
    settings = case["settings"]
    task = StubTask(case["table_labels"], case["num_classes"])
    hyper = {"lr_u": settings["lr_u"], "lr_v": settings["lr_v"]}
    if settings["ratio_consistency"] or settings["ratio_balance"]:
        more = {"consistency": settings["ratio_consistency"], "balance": settings["ratio_balance"]}
        method = make("sop_plus", task, **hyper, **more)
    else:
        method = make("sop", task, **hyper)
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
            drawn = torch.tensor(step["inputs"]["labels_neg"])
            loss = negative_loss(logits, labels, drawn, weight, kept, settings["clamp_min_1mp"])
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
        authors_behaviour=True,
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
        method.after_backward(batch)
        grad = {name: p.grad for name, p in network.named_parameters()}
        optimizer.step()
        yield {"outputs": {"loss": loss, "masked_grad": grad}, "state": {"params": dict(network.named_parameters())}}
