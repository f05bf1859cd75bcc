"""Reference vectors of DivideMix: the division of the samples, the semi-supervised loss, the confidence penalty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from golden_support import Case, FixedShare, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.divide_mix import clean_probability, confidence_penalty, normalised_losses, prior_penalty, semi_loss
from methods.semi_supervised import linear_ramp

Inputs = dict[str, Any]


def _passes(inputs: Inputs) -> list[Any]:
    """The logits of all samples, epoch by epoch."""
    return inputs.get("logits_all_epochs_so_far", [inputs.get("logits")])


def by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    """The kind of a step follows from its inputs."""
    settings = case["settings"]
    for step in case["steps"]:
        inputs = step["inputs"]
        if "logits_x" in inputs:
            logits_x, logits_u = leaf(inputs["logits_x"], dtype), leaf(inputs["logits_u"], dtype)
            targets_x, targets_u = (torch.tensor(inputs[key], dtype=dtype) for key in ("targets_x", "targets_u"))
            ramp = linear_ramp(settings["epoch"], settings["warm_up"], settings["rampup_length"])
            strength = settings["lambda_u"] * ramp
            parts = {
                "loss": semi_loss(logits_x, targets_x, logits_u, targets_u, strength),
                "Lx": semi_loss(logits_x, targets_x, logits_u[:0], targets_u[:0], 1.0),
                "Lu": semi_loss(logits_x[:0], targets_x[:0], logits_u, targets_u, 1.0),
                "lambda_u_now": strength,
            }
            yield {"outputs": {**parts, "grad": gradients(parts["loss"], logits_x=logits_x, logits_u=logits_u)}}
        elif "labels" in inputs:
            labels = torch.tensor(inputs["labels"])
            losses = torch.stack([normalised_losses(torch.tensor(z, dtype=dtype), labels) for z in _passes(inputs)])
            probability = clean_probability(losses[-settings["average_last"] :].mean(0), seed=0)
            yield _division(settings, losses[-1], probability)
        else:
            logits = leaf(inputs["logits"], dtype)
            loss = confidence_penalty(logits)
            yield {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}}


def _division(settings: dict[str, Any], losses: Tensor, probability: Tensor) -> Got:
    clean = (probability > settings["p_threshold"]).int()
    key = f"clean_at_{settings['p_threshold']}"
    return {"outputs": {"normalized_loss": losses, "prob_clean": probability, key: clean}}


def by_method(case: Case) -> Iterator[Got]:
    for step in case["steps"]:
        inputs = step["inputs"]
        if "logits_x" in inputs:
            yield _semi_supervised(case, inputs)
        elif "labels" in inputs:
            yield _divided(case, inputs)
        else:
            yield _warm_up(case, inputs)


def _semi_supervised(case: Case, inputs: Inputs) -> Got:
    """A step that mixes nothing (share 1) and is handed its targets, less the prior's penalty."""
    settings, size, rest = case["settings"], len(inputs["logits_x"]), len(inputs["logits_u"])
    task = StubTask([0] * (size + rest), case["num_classes"])
    task.rng = FixedShare(1.0)
    method = make(
        "divide_mix",
        task,
        warm_up=settings["warm_up"],
        ramp=settings["rampup_length"],
        guessed_weight=settings["lambda_u"],
    )
    logits_x, logits_u = leaf(inputs["logits_x"]), leaf(inputs["logits_u"])
    logits = torch.cat([logits_x, logits_u])
    # The first network answers for both parts and then for their mixture, the second for the unlabelled part.
    task.network(0).answers = [logits_x.detach(), logits_u.detach(), logits]
    task.network(1).answers = [logits_u.detach()]
    whole = int(settings["epoch"])
    clock = {"epoch": whole + 1, "progress": whole + (settings["epoch"] - whole) / 2}
    unlabelled = make_batch(method, [0] * rest, range(size, size + rest))
    unlabelled = replace(unlabelled, views=unlabelled.views[:1], **clock)
    batch = make_batch(method, [0] * size)
    batch = replace(batch, views=batch.views[:1], phase="divided", streams={"rest": unlabelled}, **clock)
    targets_x, targets_u = torch.tensor(inputs["targets_x"]), torch.tensor(inputs["targets_u"])
    with mock.patch.multiple(
        "methods.divide_mix", co_refined=lambda *given: targets_x, sharpened=lambda *given: targets_u
    ):
        loss = method.loss(batch) - prior_penalty(logits)
    return {"outputs": {"loss": loss, "grad": gradients(loss, logits_x=logits_x, logits_u=logits_u)}}


def _divided(case: Case, inputs: Inputs) -> Got:
    settings = case["settings"]
    task = StubTask(inputs["labels"], case["num_classes"])
    method = make(
        "divide_mix", task, warm_up=0, threshold=settings["p_threshold"], average_last=settings["average_last"]
    )
    for number, logits in enumerate(_passes(inputs)):
        task.all_logits = torch.tensor(logits)
        method.epoch_start(number + 1)
    return _division(settings, method.past[number % settings["average_last"], 0], method.clean[0])


def _warm_up(case: Case, inputs: Inputs) -> Got:
    """The penalty is what warm-up for asymmetric noise adds to cross-entropy."""
    labels = [0] * len(inputs["logits"])
    task = StubTask(labels, case["num_classes"])
    method = make("divide_mix", task, warm_up=1, confident_warm_up=False)
    logits = leaf(inputs["logits"])
    task.network(0).answers = [logits]
    batch = replace(make_batch(method, labels), phase="warm")
    loss = method.loss(batch) - F.cross_entropy(logits, torch.tensor(labels))
    return {"outputs": {"loss": loss, "grad": gradients(loss, logits=logits)}}
