"""Four methods once more, each as a plain loop in float64 with its own arithmetic, to hold the trainer against."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.checks.problem import Problem, Training, start
from methods.base import Batch

PROBLEM = Problem(samples=40, batch_size=20, epochs=3, learning_rate=0.02)
STEPS = 5
TOLERANCE = 3e-6  # float32 against float64, weights of about 0.1; seen: 2e-7
Seen = list[tuple[Tensor, Tensor, Tensor]]  # images (float64), labels, rows: the batches of each step
Loop = Callable[[list[nn.Module], Seen, Mapping[str, Any]], Iterator[Tensor]]


def one_hot(labels: Tensor) -> Tensor:
    return torch.eye(PROBLEM.classes, dtype=torch.float64)[labels]


def plain(network: nn.Module) -> nn.Sequential:
    """A network's blocks in float64, without anything of the harness around them."""
    return nn.Sequential(*copy.deepcopy(network).blocks).double().train()  # type: ignore[arg-type]


class Descent:
    """SGD with momentum and weight decay, by hand, at the trainer's cosine rate."""

    def __init__(self, *modules: nn.Module) -> None:
        self.weights = [weight for module in modules for weight in module.parameters()]
        self.velocity = [torch.zeros_like(weight) for weight in self.weights]
        self.done = 0

    def step(self, loss: Tensor) -> Tensor:
        """Descend; returns all weights as one vector."""
        share = torch.tensor(self.done / (PROBLEM.epochs * PROBLEM.samples / PROBLEM.batch_size), dtype=torch.float64)
        rate = PROBLEM.learning_rate * (1 + torch.cos(torch.pi * share)) / 2
        for number, gradient in enumerate(torch.autograd.grad(loss, self.weights)):
            weight = self.weights[number]
            self.velocity[number] = 0.9 * self.velocity[number] + gradient + 5e-4 * weight.detach()
            weight.data -= rate * self.velocity[number]
        self.done += 1
        return torch.cat([weight.detach().flatten() for weight in self.weights])


def cross_entropy(parts: list[nn.Module], seen: Seen, hyper: Mapping[str, Any]) -> Iterator[Tensor]:
    (network,) = parts
    descent = Descent(network)
    for images, labels, _ in seen:
        p = torch.softmax(network(images), 1)
        yield descent.step(-(one_hot(labels) * p.log()).sum() / len(labels))


def elr(parts: list[nn.Module], seen: Seen, hyper: Mapping[str, Any]) -> Iterator[Tensor]:
    (network,) = parts
    descent, targets = Descent(network), torch.zeros(PROBLEM.samples, PROBLEM.classes, dtype=torch.float64)
    for images, labels, rows in seen:
        p = torch.softmax(network(images), 1)
        with torch.no_grad():
            clamped = p.clamp(1e-4, 1 - 1e-4)
            share = clamped / clamped.sum(1, keepdim=True)
            targets[rows] = hyper["momentum"] * targets[rows] + (1 - hyper["momentum"]) * share
        agreement = (p.clamp(1e-4, 1 - 1e-4) * targets[rows]).sum(1)
        fit = -(one_hot(labels) * p.log()).sum(1)
        yield descent.step((fit + hyper["penalty"] * (1 - agreement).log()).mean())


def car(parts: list[nn.Module], seen: Seen, hyper: Mapping[str, Any]) -> Iterator[Tensor]:
    network, indicator = parts
    descent, per_epoch = Descent(network, indicator), PROBLEM.samples // PROBLEM.batch_size
    body, head = network[:-1], network[-1]  # type: ignore[index]
    targets = torch.zeros(PROBLEM.samples, PROBLEM.classes, dtype=torch.float64)
    for _, labels, rows in seen:
        targets[rows] = one_hot(labels)
    for number, (images, _, rows) in enumerate(seen):
        features = body(images)
        seen_by_branch = features.detach() / features.detach().square().sum(1, keepdim=True).sqrt()
        gate = hyper["logit_bound"] * torch.tanh(indicator(seen_by_branch) / hyper["logit_bound"])
        p, h = torch.softmax(head(features), 1), 1 / (1 + torch.exp(-gate))
        epoch = 1 + number // per_epoch
        if epoch >= hyper["start"] and epoch % hyper["update_every"] == 0:
            sure = h.detach() > hyper["threshold"]
            moved = hyper["momentum"] * targets[rows] + (1 - hyper["momentum"]) * p.detach()
            targets[rows] = torch.where(sure, moved, targets[rows])
            targets.clamp_(hyper["target_floor"], 1)
        t = targets[rows].clamp(hyper["target_floor"], 1)
        q = h * p + (1 - h) * t
        fit, sureness, pull = -(t * q.log()).sum(1), -h.log()[:, 0], -(q * t.log()).sum(1)
        yield descent.step((fit + hyper["penalty"] * sureness + hyper["auxiliary"] * pull).mean())


def co_teaching(parts: list[nn.Module], seen: Seen, hyper: Mapping[str, Any]) -> Iterator[Tensor]:
    descent, per_epoch = Descent(*parts), PROBLEM.samples // PROBLEM.batch_size
    for number, (images, labels, _) in enumerate(seen):
        losses = [-(one_hot(labels) * torch.softmax(network(images), 1).log()).sum(1) for network in parts]
        grown = min(1.0, (number // per_epoch) / max(1, hyper["gradual"] - 1))
        kept = int((1 - hyper["forget_rate"] * grown) * len(labels))
        easiest = [sorted(range(len(labels)), key=loss.tolist().__getitem__)[:kept] for loss in losses]
        yield descent.step(losses[0][easiest[1]].mean() + losses[1][easiest[0]].mean())


LOOPS: dict[str, tuple[Loop, Callable[[Any], list[nn.Module]], dict[str, Any]]] = {
    "cross_entropy": (cross_entropy, lambda method: [plain(method.network)], {}),
    "elr": (elr, lambda method: [plain(method.network)], {"momentum": 0.7, "penalty": 3.0}),
    "car": (
        car,
        lambda method: [plain(method.network), copy.deepcopy(method.indicator).double()],
        {"penalty": 0.5, "auxiliary": 0.1, "momentum": 0.9, "threshold": 0.25, "start": 2, "update_every": 1,
         "target_floor": 1e-4, "logit_bound": 0.7},
    ),
    "co_teaching": (
        co_teaching,
        lambda method: [plain(network) for network in method.pair],
        {"forget_rate": 0.4, "gradual": 3},
    ),
}  # fmt: skip


def batches_of(training: Training) -> Seen:
    """The batches that a run trains on, kept as they pass."""
    seen: Seen = []
    inner = training.run.method.loss

    def loss(batch: Batch) -> Tensor:
        seen.append((batch.views[0].double(), batch.labels.clone(), batch.index.clone()))
        return inner(batch)

    training.run.method.loss = loss  # type: ignore[method-assign]
    return seen


def assert_follows(method: str, reference: str) -> None:
    """Train the registered `method`, and hold its weights after every step against the loop `reference`."""
    loop, parts_of, hyper = LOOPS[reference]
    training = start(method, PROBLEM, hyper)
    parts, seen, have = parts_of(training.run.method), batches_of(training), list[Tensor]()
    learning = [weight for group in training.run.method.parameter_groups() for weight in group["params"]]
    training.run.beat = lambda progress: have.append(torch.cat([weight.detach().flatten() for weight in learning]))
    training.train()
    assert len(have) >= STEPS
    for step, want in enumerate(loop(parts, seen, hyper)):
        worst = float((have[step] - want).abs().max())
        assert worst < TOLERANCE, f"{method} and the plain loop differ by {worst:.2g} after step {step + 1}"
