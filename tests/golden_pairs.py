"""Reference vectors of methods with two networks: pure functions, and `Method.loss`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from golden_support import Case, Got, StubTask, gradients, leaf, make, make_batch
from torch import Tensor

from methods.co_teaching import co_teaching_loss, kept_count
from methods.co_teaching_plus import co_teaching_plus_loss
from methods.jocor import jocor_loss

Step = dict[str, Any]


def picked(step: Step, picks_1: Tensor, picks_2: Tensor) -> Got:
    """What the files say about the picks of both networks."""
    index = torch.tensor(step["inputs"]["index"])
    clean = torch.tensor(step["inputs"]["is_clean"], dtype=torch.float64)
    found: Got = {"num_selected": len(picks_1)}
    for number, picks in ((1, picks_1), (2, picks_2)):
        found[f"selected_pos_{number}"] = picks
        found[f"selected_by_{number}"] = index[picks]
        found[f"pure_ratio_{number}"] = clean[index[picks]].mean()
    return found


def pair(step: Step, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    inputs = step["inputs"]
    return leaf(inputs["logits_1"], dtype), leaf(inputs["logits_2"], dtype), torch.tensor(inputs["labels"])


def peer_gradients(loss_1: Tensor, loss_2: Tensor, logits_1: Tensor, logits_2: Tensor) -> Got:
    """The files differentiate each network's loss with respect to that network's logits only."""
    return {**gradients(loss_1, logits_1=logits_1), **gradients(loss_2, logits_2=logits_2)}


def co_teaching_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    for step in case["steps"]:
        logits_1, logits_2, labels = pair(step, dtype)
        kept = kept_count(len(labels), step["forget_rate"])
        loss_1, loss_2, picks_1, picks_2 = co_teaching_loss(logits_1, logits_2, labels, kept, True)
        grad = peer_gradients(loss_1, loss_2, logits_1, logits_2)
        yield {"outputs": {"loss_1": loss_1, "loss_2": loss_2, "grad": grad, **picked(step, picks_1, picks_2)}}


def co_teaching_by_method(case: Case) -> Iterator[Got]:
    """Epochs of the files count from 0; a case without a schedule has its one rate from the first epoch on."""
    settings = case["settings"]
    for step in case["steps"]:
        logits_1, logits_2, labels = pair(step, torch.float32)
        rate = settings.get("tau", step["forget_rate"])
        task = StubTask(case["table_labels"], case["num_classes"], {"noise_rate": rate})
        method = make(
            "co_teaching",
            task,
            gradual=settings.get("num_gradual", 0),
            exponent=settings.get("exponent", 1),
            authors_behaviour=True,
        )
        task.network(0).answers, task.network(1).answers = [logits_1], [logits_2]
        observed: dict[str, Any] = {}
        loss = method.loss(
            make_batch(method, labels.tolist(), step["inputs"]["index"], step.get("epoch", 0) + 1, observed)
        )
        yield whole(step, loss, logits_1, logits_2, observed["selected"])


def whole(step: Step, loss: Tensor, logits_1: Tensor, logits_2: Tensor, selected: Tensor) -> Got:
    """What one scalar and a mask tell of a two-network step: the losses' sum, both gradients, the choices' mean."""
    mask = torch.zeros(len(selected), dtype=torch.float64)
    for number in (1, 2):
        mask[torch.tensor(step["outputs"][f"selected_pos_{number}"])] += 0.5
    assert torch.equal(selected.double(), mask)
    want = step["outputs"]
    return {
        "outputs": {
            "loss_1": loss - want["loss_2"],
            "loss_2": loss - want["loss_1"],
            "grad": gradients(loss, logits_1=logits_1, logits_2=logits_2),
            "num_selected": round(float(selected.sum())),
        }
    }


def co_teaching_plus_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    """A step without an iteration number is one of warm-up: plain co-teaching."""
    for step in case["steps"]:
        if "iteration" not in step:
            yield next(co_teaching_by_function({**case, "steps": [step]}, dtype))
            continue
        logits_1, logits_2, labels = pair(step, dtype)
        loss_1, loss_2, order_1, order_2, kept = co_teaching_plus_loss(
            logits_1, logits_2, labels, step["forget_rate"], step["iteration"], True
        )
        grad = peer_gradients(loss_1, loss_2, logits_1, logits_2)
        picks = picked(step, order_1[: int(kept)], order_2[: int(kept)])
        yield {"outputs": {"loss_1": loss_1, "loss_2": loss_2, "grad": grad, **picks}}


def co_teaching_plus_by_method(case: Case) -> Iterator[Got]:
    """The iteration number of the files is the epoch times the number of the batch, here always the second of two."""
    for step in case["steps"]:
        logits_1, logits_2, labels = pair(step, torch.float32)
        facts = {"noise_rate": step["forget_rate"]}
        task = StubTask(case["table_labels"], case["num_classes"], facts, batch_size=len(case["table_labels"]) // 2)
        warm_up = 0 if "iteration" in step else 1
        method = make("co_teaching_plus", task, gradual=0, warm_up=warm_up, authors_behaviour=True)
        task.network(0).answers, task.network(1).answers = [logits_1], [logits_2]
        observed: dict[str, Any] = {}
        epoch = step.get("iteration", 1)
        batch = make_batch(method, labels.tolist(), step["inputs"]["index"], epoch, observed)
        loss = method.loss(replace(batch, progress=epoch - 0.5))
        if case["compare"]:
            yield whole(step, loss, logits_1, logits_2, observed["selected"])
        else:
            yield {"outputs": {"loss": loss}}


def jocor_by_function(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    for step in case["steps"]:
        logits_1, logits_2, labels = pair(step, dtype)
        kept = kept_count(len(labels), step["forget_rate"])
        loss, picks = jocor_loss(logits_1, logits_2, labels, kept, case["settings"]["co_lambda"])
        grad = gradients(loss, logits_1=logits_1, logits_2=logits_2)
        yield {"outputs": {"loss_1": loss, "loss_2": loss, "grad": grad, **picked(step, picks, picks)}}


def jocor_by_method(case: Case) -> Iterator[Got]:
    for step in case["steps"]:
        logits_1, logits_2, labels = pair(step, torch.float32)
        task = StubTask(case["table_labels"], case["num_classes"], {"noise_rate": step["forget_rate"]})
        method = make("jocor", task, gradual=0, agreement=case["settings"]["co_lambda"])
        task.network(0).answers, task.network(1).answers = [logits_1], [logits_2]
        observed: dict[str, Any] = {}
        loss = method.loss(make_batch(method, labels.tolist(), step["inputs"]["index"], 1, observed))
        got = whole(step, loss, logits_1, logits_2, observed["selected"])
        got["outputs"].update(loss_1=loss, loss_2=loss)
        yield got
