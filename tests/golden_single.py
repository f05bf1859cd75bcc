"""Reference vectors of methods with one network and no table: settings to pure function, and to `Method.loss`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from golden_support import Case, FixedShare, Got, StubNetwork, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.active_passive import mean_absolute_error, normalized_cross_entropy
from methods.bootstrap import bootstrap_hard_losses, bootstrap_soft_losses
from methods.gce import gce_losses
from methods.label_smoothing import label_smoothing_loss
from methods.loss_correction import backward_losses, forward_losses, invert
from methods.mixup import mixup_loss
from methods.sce import reverse_cross_entropy, sce_loss

Function = Callable[[Tensor, Tensor], Tensor]  # (logits, labels) -> a scalar, or one value a sample
Plan = tuple[Function, str, dict[str, Any], dict[str, Any]]  # function, method's name, hyper-parameters, facts


def plan_apl(settings: dict[str, Any]) -> Plan:
    kind = settings["loss"]
    scale = settings.get("scale")
    active = scale if kind == "NormalizedCrossEntropy" else 0.0 if scale is not None else settings["alpha"]
    passive = 0.0 if kind == "NormalizedCrossEntropy" else settings["beta"] if scale is None else scale
    absolute = kind in ("NCEandMAE", "MeanAbsoluteError")

    def function(logits: Tensor, labels: Tensor) -> Tensor:
        second = mean_absolute_error(logits, labels) if absolute else reverse_cross_entropy(logits, labels, 1e-7)
        return (active * normalized_cross_entropy(logits, labels) + passive * second).mean()

    hyper = {"alpha": active, "beta": passive}
    return (
        function,
        "nce_mae" if absolute else "nce_rce",
        hyper if absolute else {**hyper, "authors_behaviour": True},
        {},
    )


def plan_bootstrap(settings: dict[str, Any]) -> Plan:
    beta, clip = settings["beta"], settings["p_clip"][0]
    soft = settings["loss"] == "boot_soft"
    losses = bootstrap_soft_losses if soft else bootstrap_hard_losses
    hyper = {"beta": beta, "authors_behaviour": True}
    return lambda z, y: losses(z, y, beta, clip), "bootstrap_soft" if soft else "bootstrap_hard", hyper, {}


def plan_gce(settings: dict[str, Any]) -> Plan:
    q, floor = settings["q"], (settings["p_clamp"] or [0.0])[0]
    return lambda z, y: gce_losses(z, y, q, floor).mean(), "gce", {"q": q, "floor": floor}, {}


def plan_sce(settings: dict[str, Any]) -> Plan:
    alpha, beta = settings["alpha"], settings["beta"]
    official = settings["variant"].startswith("p in CE clamped")
    floors = (1e-7, 0.0) if official else (0.0, 1e-7)
    hyper = {"alpha": alpha, "beta": beta, "clamp": "authors" if official else "reproduction"}
    return lambda z, y: sce_loss(z, y, alpha, beta, *floors), "sce", hyper, {}


def plan_label_smoothing(settings: dict[str, Any]) -> Plan:
    rate, ce_weight, smooth_weight = settings["smooth_rate"], settings["wa"], settings["wb"]

    def function(logits: Tensor, labels: Tensor) -> Tensor:
        plain = label_smoothing_loss(logits, labels, 0.0)
        return ce_weight * plain + smooth_weight * label_smoothing_loss(logits, labels, rate)

    hyper = {"rate": rate, "ce_weight": ce_weight, "smooth_weight": smooth_weight}
    return function, "label_smoothing", hyper, {}


def plan_loss_correction(settings: dict[str, Any]) -> Plan:
    matrix, clip = torch.tensor(settings["T"], dtype=torch.float64), settings["p_clip"][0]
    forward = settings["loss"] == "forward"
    used = matrix if forward else invert(matrix)
    losses = forward_losses if forward else backward_losses
    name = "forward_correction" if forward else "backward_correction"
    return lambda z, y: losses(z, y, used, clip), name, {"authors_behaviour": True}, {"matrix": matrix}


PLANS = {
    "apl": plan_apl,
    "bootstrap": plan_bootstrap,
    "gce": plan_gce,
    "sce": plan_sce,
    "label_smoothing": plan_label_smoothing,
    "loss_correction": plan_loss_correction,
}


def by_function(file: str, case: Case, dtype: torch.dtype) -> Iterator[Got]:
    function = PLANS[file](case["settings"])[0]
    for step in case["steps"]:
        logits = leaf(step["inputs"]["logits"], dtype)
        losses = function(logits, torch.tensor(step["inputs"]["labels"]))
        loss = losses.mean()
        yield {"outputs": {"loss": loss, "loss_per_sample": losses, "grad": gradients(loss, logits=logits)}}


def by_method(file: str, case: Case) -> Iterator[Got]:
    _, name, hyper, facts = PLANS[file](case["settings"])
    for step in case["steps"]:
        labels = step["inputs"]["labels"]
        task = StubTask(labels, case["num_classes"], facts)
        method = make(name, task, **hyper)
        logits = leaf(step["inputs"]["logits"])
        task.network().answers = [logits]
        loss = method.loss(make_batch(method, labels))
        yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}}


def mixup_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    for step in case["steps"]:
        logits = leaf(step["inputs"]["logits"], dtype)
        a, b = (torch.tensor(step["inputs"][key]) for key in ("labels_a", "labels_b"))
        loss = mixup_loss(logits, a, b, case["settings"]["lam"])
        yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}}


def mixup_by_method(case: Case) -> Iterator[Got]:
    """The partners' labels need not be a permutation of the labels, so the partners ride along as a second half.

    The second half has logits of zero, and so a loss of log K whatever its labels: what the first half must give
    follows from the mean over both.
    """
    for step in case["steps"]:
        a, b = step["inputs"]["labels_a"], step["inputs"]["labels_b"]
        size, classes = len(a), case["num_classes"]
        task = StubTask(a + b, classes)
        task.rng = FixedShare(case["settings"]["lam"])
        method = make("mixup", task)
        method.partners = lambda total, size=size: torch.arange(total).roll(size)
        logits = leaf(step["inputs"]["logits"])
        network = task.network()
        assert isinstance(network, StubNetwork)
        network.answers = [torch.cat([logits, torch.zeros(size, classes)])]
        loss = 2 * method.loss(make_batch(method, a + b)) - torch.tensor(float(classes)).log()
        yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}}
