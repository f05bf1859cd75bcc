"""Reference vectors of M-correction: the fit of the mixture, and the steps that it guides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.divide_mix import prior_penalty
from methods.m_correction import (
    bootstrapping_loss,
    fit_beta_mixture,
    fit_losses,
    guided_mixture,
    loss_bounds,
    noisy_posterior,
    noisy_probability,
    posterior_table,
)
from methods.mixup import mixup_loss


def beta_fit(inputs: dict[str, Any], dtype: torch.dtype) -> Got:
    """What the mixture of the losses of all samples gives."""
    losses = F.cross_entropy(
        torch.tensor(inputs["logits"], dtype=dtype), torch.tensor(inputs["labels"]), reduction="none"
    )
    mixture = fit_losses(losses)
    assert mixture is not None
    (low, high), table = loss_bounds(losses), posterior_table(mixture)
    grid = torch.tensor(inputs["grid"], dtype=torch.float64)
    return {
        "losses": losses,
        "min_loss": low[None],
        "max_loss": high[None],
        "alphas": mixture.a,
        "betas": mixture.b,
        "weight": mixture.weight,
        "lookup": table,
        "posterior_at_grid": noisy_posterior(grid, mixture),
        "prob_noisy": noisy_probability(losses, table, low, high),
    }


def mixture_of(inputs: dict[str, Any]) -> Got:
    """What the mixture of given numbers in [0, 1] gives, in float64."""
    x = torch.tensor(inputs["x"], dtype=torch.float64)
    mixture = fit_beta_mixture(x)
    inside = x.clamp(1e-4, 1 - 1e-4)
    posterior = noisy_posterior(inside, mixture)
    found = {"alphas": mixture.a, "betas": mixture.b, "weight": mixture.weight, "lookup": posterior_table(mixture)}
    return {**found, "posterior_noisy": posterior, "predict": (posterior > 0.5).int()}


def other_prior(logits: Tensor, classes: int) -> Tensor:
    """The penalty on the mean prediction as it is with another number of classes than there are."""
    share = logits.shape[1] / classes
    return share * (prior_penalty(logits) + math.log(share))


def m_correction_step(case: Case, step: dict[str, Any], dtype: torch.dtype) -> Got:
    settings, inputs = case["settings"], step["inputs"]
    labels, partners = torch.tensor(inputs["labels"]), torch.tensor(inputs["permutation"])
    table = torch.tensor(inputs["lookup"], dtype=dtype)
    if step["epoch"] == 1:
        table = torch.full_like(table, 0.5)
    evaluated, logits = torch.tensor(inputs["logits_eval"], dtype=dtype), leaf(inputs["logits_mixed"], dtype)
    low, high = (torch.tensor(inputs[key], dtype=dtype) for key in ("min_loss", "max_loss"))
    noisy = noisy_probability(F.cross_entropy(evaluated, labels, reduction="none"), table, low, high)
    mode, found = settings["mode"], {"prob_noisy": noisy}
    if mode in ("dynamic", "sh"):
        found["input_mix_matrix"] = guided_mixture(torch.eye(len(labels), dtype=dtype), noisy, partners)
    if mode == "dynamic":
        loss = mixup_loss(logits, labels, labels[partners], inputs["lam"])
    else:
        clean = torch.tensor(inputs["logits_clean"], dtype=dtype)
        sharp = 1 - 0.999 * settings["k"] / (settings["temp_length"] - 1) if mode == "sh" else 1.0
        hard = F.one_hot(clean.argmax(1), clean.shape[1]).to(dtype)
        targets = hard if mode == "hard" else (clean / sharp).softmax(1)
        share = 0.5 if mode == "sh" else inputs["lam"]
        loss = bootstrapping_loss(logits, labels, targets, noisy, partners, share)
        loss = loss + settings["reg_term"] * other_prior(logits, settings["reg_num_classes"])
    return {**found, "loss": loss, "grad": gradients(loss, logits_mixed=logits)}


def m_correction_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    for step in case["steps"]:
        inputs = step["inputs"]
        if "x" in inputs:
            yield {"outputs": mixture_of(inputs)}
        elif "grid" in inputs:
            yield {"outputs": beta_fit(inputs, dtype)}
        else:
            yield {"outputs": m_correction_step(case, step, dtype)}


def m_correction_by_method(case: Case) -> Iterator[Got]:
    settings = case["settings"]
    for step in case["steps"]:
        inputs = step["inputs"]
        if "x" in inputs:
            yield {"outputs": mixture_of(inputs)}
            continue
        mode, classes = settings.get("mode", "hard"), len((inputs.get("logits") or inputs["logits_mixed"])[0])
        task = StubTask(inputs["labels"], classes)
        guided = {"bootstrapping": "soft_to_hard", "guided": 1 if mode == "dynamic" else 0}
        own = guided if mode in ("sh", "dynamic") else {"bootstrapping": mode}
        method: Any = make("m_correction", task, warm_up=0, prior=0.0, hardening=settings.get("temp_length", 1), **own)
        if "grid" in inputs:
            task.all_logits = torch.tensor(inputs["logits"])
            method.epoch_start(2)
            low, high = method.bounds[:, None]
            found = {"lookup": method.table, "prob_noisy": method.noisy, "min_loss": low, "max_loss": high}
            yield {"outputs": {**found, "losses": F.cross_entropy(task.all_logits, task.labels, reduction="none")}}
            continue
        if step["epoch"] > 1:
            method.table.copy_(torch.tensor(inputs["lookup"]))
        method.bounds.copy_(torch.tensor([inputs["min_loss"], inputs["max_loss"]]))
        logits = leaf(inputs["logits_mixed"])
        passes = [torch.tensor(inputs[key]) for key in ("logits_clean", "logits_eval") if key in inputs]
        method.network.answers = [*passes, logits]
        observed: dict[str, Any] = {}
        shares = torch.tensor([inputs["lam"], 1 - inputs["lam"]])
        draws = {"shares": shares, "partners": torch.tensor(inputs["permutation"])}
        batch = make_batch(method, inputs["labels"], epoch=settings.get("k", 0) + 1, observed=observed)
        loss = method.loss(replace(batch, draws=draws))
        loss = loss + settings["reg_term"] * other_prior(logits, settings["reg_num_classes"])
        grad = gradients(loss, logits_mixed=logits)
        yield {"outputs": {"loss": loss, "grad": grad, "prob_noisy": 1 - observed["selected"]}}
