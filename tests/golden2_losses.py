"""Reference vectors of the second set for methods that are a loss or a table: each case through its pure functions."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from golden_support import Case, Got, Step, StubTask, gradients, leaf, make, make_batch
from torch import Tensor, nn

from methods import active_negative as anl
from methods import cal, gjs
from methods.active_passive import normalized_cross_entropy
from methods.f_divergence import f_divergence_loss
from methods.logit_clip import clipped_logits
from methods.peer_loss import peer_loss
from methods.peers import stable_cross_entropy
from methods.plc import corrected, grown
from methods.sat import sat_loss, sat_weights
from methods.selc import selc_targets

FOLDER = Path(os.environ.get("NOISY_BENCH_GOLDEN2") or Path(__file__).parents[1] / "shared" / "golden2")
Settings = dict[str, Any]
Route = Callable[[Case, torch.dtype], Iterator[Got]]


def of_losses(formula: Callable[[Settings, Step, dict[str, Tensor]], Tensor | dict[str, Tensor]]) -> Route:
    """The route of a file whose cases are losses without a state: every input that has a gradient is a leaf."""

    def route(case: Case, dtype: torch.dtype) -> Iterator[Got]:
        for step in case["steps"]:
            given = {name: leaf(step["inputs"][name], dtype) for name in step["outputs"].get("grad", {})}
            found = formula(case["settings"], step, given)
            outputs = found if isinstance(found, dict) else {"loss": found}
            yield {"outputs": {**outputs, "grad": gradients(outputs["loss"], **given)}}

    return route


def anl_loss(settings: Settings, step: Step, given: dict[str, Tensor]) -> Tensor:
    logits, labels, kind = given["logits"], torch.tensor(step["inputs"]["labels"]), settings["loss"]
    floor, gamma = settings.get("min_prob", anl.FLOOR), settings.get("gamma", 0.0)
    if kind == "NNCE":
        return anl.negative_cross_entropy(logits, labels, floor).mean()
    if kind == "NFL":
        return anl.normalized_focal(logits, labels, gamma).mean()
    if kind == "NNFL":
        return anl.negative_focal(logits, labels, gamma, floor).mean()
    if kind == "FL":
        return anl.focal_terms(logits.log_softmax(1), gamma).gather(1, labels[:, None]).mean()
    weighed = {
        "ANL-CE": lambda: (normalized_cross_entropy(logits, labels), anl.negative_cross_entropy(logits, labels, floor)),
        "ANL-CE-ER": lambda: (
            normalized_cross_entropy(logits, labels),
            anl.negative_cross_entropy(logits, labels, floor, 1 - floor),
        ),
        "ANL-FL": lambda: (
            anl.normalized_focal(logits, labels, gamma),
            anl.negative_focal(logits, labels, gamma, floor),
        ),
    }
    active, negative = weighed[kind]()
    loss = (settings["alpha"] * active + settings["beta"] * negative).mean()
    loss = loss + settings.get("lamb", 0.0) * anl.entropy_gap(logits, floor)
    total: Tensor = loss + settings["delta"] * anl.absolute_sum([given["params"]])
    return total


def sat(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    table = torch.tensor(case["init_state"]["soft_labels"], dtype=dtype)
    for step in case["steps"]:
        logits, labels = leaf(step["inputs"]["logits"], dtype), torch.tensor(step["inputs"]["labels"])
        outputs = {}
        if step["epoch"] < settings["es"]:
            outputs["loss"] = F.cross_entropy(logits, labels)
        else:
            index = step["inputs"]["index"]
            table[index] = selc_targets(table[index], logits, settings["momentum"])
            outputs["loss"] = sat_loss(logits, table[index], settings.get("beta", 0.0))
            outputs["weights"] = sat_weights(table[index])
        yield {
            "outputs": {**outputs, "grad": gradients(outputs["loss"], logits=logits)},
            "state": {"soft_labels": table.clone()},
        }


def plc(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    settings = case["settings"]
    for step in case["steps"]:
        given, scores = torch.tensor(step["inputs"]["labels"]), torch.tensor(step["inputs"]["scores"], dtype=dtype)
        delta, least = step["inputs"].get("delta", settings["delta"]), settings.get("thd", 0.0)
        labels, changed = corrected(scores.softmax(1) if least else scores, given, delta, least)
        outputs = {"labels": labels, "delta": grown(delta, settings["inc"], int(changed.sum()), len(given), least > 0)}
        yield {"outputs": {**outputs, "num_corrected": changed.sum()}}


def js_loss(settings: Settings, step: Step, given: dict[str, Tensor]) -> Tensor:
    logits, labels, kind = list(given.values()), torch.tensor(step["inputs"]["labels"]), settings["loss"]
    if kind == "JSDissect":
        return dissected(settings["letter"], logits[0], labels)
    weights = settings["weights"]
    if kind == "JSNoConsistency":
        own = F.one_hot(labels, logits[0].shape[1]).to(logits[0].dtype)
        blend = torch.stack([weight * one.softmax(1) for weight, one in zip(weights[1:], logits, strict=True)]).sum(0)
        left = 1 - weights[0]
        part: Tensor = gjs.jensen_shannon([own, blend], [weights[0], left]).mean() / -(left * math.log(left))
        return part
    return gjs.js_losses(logits, labels, weights, kind == "JSWCS").mean()


def dissected(letter: str, logits: Tensor, labels: Tensor) -> Tensor:
    """The parts of JS that its paper looks at one by one, made of the divergences that the loss is made of."""
    p, own = logits.softmax(1), F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    mean = (p + own) / 2
    entropy = -(p * p.clamp_min(gjs.FLOOR).log()).sum(1)
    parts = {
        "a": lambda: gjs.divergences(own, p),
        "b": lambda: (gjs.divergences(own, p) + gjs.divergences(p, own)) / 2,
        "c": lambda: gjs.divergences(own, mean),
        "d": lambda: gjs.jensen_shannon([own, p], [0.5, 0.5]),
        "f": lambda: gjs.divergences(p, mean),
        "g": lambda: gjs.divergences(p, mean) + entropy,
        "h": lambda: gjs.divergences(own, mean) - entropy,
        "i": lambda: gjs.divergences(p, own),
    }
    if letter[0] == "e":
        return parts["d"]().mean().sqrt()
    return parts[letter[0]]().mean() * (2 / math.log(2) if letter.endswith("s") else 1)


def clip_loss(settings: Settings, step: Step, given: dict[str, Tensor]) -> Tensor:
    clipped = clipped_logits(given["logits"], settings["temp"], settings["lp"])
    return F.cross_entropy(clipped, torch.tensor(step["inputs"]["labels"]))


DIVERGENCES = {"Jenson-Shannon": "jensen_shannon", "KL": "kl", "Reverse-KL": "reverse_kl"}


def peers(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    if case["settings"]["loss"] == "CAL phase 2":
        return cal_second(case, dtype)
    return of_losses(peer_or_divergence)(case, dtype)


def peer_or_divergence(settings: Settings, step: Step, given: dict[str, Tensor]) -> Tensor | dict[str, Tensor]:
    inputs, kind = step["inputs"], settings["loss"]
    labels = torch.tensor(inputs["labels"])
    if kind == "CAL phase 1 (CORES2)":
        base = stable_cross_entropy(given["logits"], labels, cal.CE_EPSILON)
        term = cal.prior_term(given["logits"], torch.tensor(inputs["prior"]))
        return {"loss": base - settings["alpha"] * term, "base": base, "peer_term": term}
    pairs = given["logits"], labels, given["peer_logits"], torch.tensor(inputs["peer_labels"])
    if kind == "peer":
        return peer_loss(*pairs, settings["alpha"])
    name = settings["divergence"]
    return f_divergence_loss(*pairs, DIVERGENCES.get(name, name.lower().replace("-", "_")))


def cal_second(case: Case, dtype: torch.dtype) -> Iterator[Got]:
    start, classes = case["init_state"], case["num_classes"]
    distilled = torch.tensor(start["distilled_labels"])
    kept = torch.tensor(start["distilled_weight"], dtype=dtype)
    found = cal.division_of(distilled, torch.tensor(case["table_labels"]), kept, classes)
    for step in case["steps"]:
        inputs, logits = step["inputs"], leaf(step["inputs"]["logits"], dtype)
        index, means = inputs["index"], torch.tensor(inputs["loss_mean_all"], dtype=dtype)
        rows, told = distilled[index], found.indicated[index]
        base = stable_cross_entropy(logits, torch.tensor(inputs["labels"]), cal.CE_EPSILON)
        prior = cal.prior_term(logits, torch.tensor(start["prior"]))
        term = cal.covariance_term(logits, rows, found.centred[index], told, found.shares, means)
        loss = base - case["settings"]["alpha"] * prior - term
        centred = F.one_hot(distilled, classes)[:, :, None] * found.centred[:, None, :]
        yield {
            "outputs": {
                "loss": loss,
                "base": base,
                "peer_term": prior,
                "cal_term": term,
                "loss_sums": cal.indicated_sums(logits, rows, told),
                "grad": gradients(loss, logits=logits),
                "T_centred": centred,
                "P_y": found.shares,
            }
        }


ROUTES: dict[str, Route] = {
    "anl": of_losses(anl_loss),
    "gjs": of_losses(js_loss),
    "logitclip": of_losses(clip_loss),
    "peer": peers,
    "plc": plc,
    "sat": sat,
}
OTHERS = ("NCE+AGCE", "NCE+AUL", "NCE+AEL", "OGC")  # other authors' losses, in the same files


def settings_of(file: str, settings: Settings) -> tuple[str, dict[str, Any]] | None:
    """The registered method that a case's loss is, and its hyper-parameters; None where it is a part of one."""
    kind = settings.get("loss", "")
    if kind.startswith("ANL"):
        own = {"gamma": settings["gamma"]} if kind == "ANL-FL" else {"entropy": settings.get("lamb", 0.0)}
        weights = {key: settings[key] for key in ("alpha", "beta", "delta")}
        return ("anl_fl" if kind == "ANL-FL" else "anl_ce"), {**weights, **own}
    if kind in ("JSWC", "JSWCS"):
        return ("js" if settings["views"] == 1 else "gjs"), {
            "label_weight": settings["weights"][0],
            "scaled": kind == "JSWCS",
        }
    if file == "logitclip":
        return "logit_clip", {"threshold": settings["temp"], "order": settings["lp"]}
    if file == "sat":
        own = {"momentum": settings["momentum"], "reverse": settings.get("beta", 0.0)}
        return "sat", {**own, "start": settings["es"]}
    return None


def by_method(case: Case, name: str, hyper: dict[str, Any]) -> Iterator[Got]:
    """Every step through `Method.loss`, with a network that answers with the given logits."""
    task = StubTask(case.get("table_labels") or [0], case["num_classes"])
    method: Any = make(name, task, **hyper)
    network: Any = task.network()
    if case.get("init_state"):
        method.targets.copy_(torch.tensor(case["init_state"]["soft_labels"]))
    for step in case["steps"]:
        given = {key: leaf(step["inputs"][key]) for key in step["outputs"]["grad"]}
        network.answers = [value for key, value in given.items() if key != "params"]
        if "params" in given:
            network.params = nn.Parameter(given["params"].detach())
            given["params"] = network.params
        batch = make_batch(method, step["inputs"]["labels"], step["inputs"].get("index"), step.get("epoch", 0) + 1)
        loss = method.loss(batch)
        got: Got = {"outputs": {"loss": loss, "grad": gradients(loss, **given)}}
        yield {**got, "state": {"soft_labels": method.targets.clone()}} if case.get("init_state") else got
