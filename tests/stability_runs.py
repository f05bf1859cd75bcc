"""Short trainings through the real loop, followed step by step: loss, predictions, and the confidence's logit."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from small_runs import TABLES
from torch import Tensor

from bench.planning import spec, suite
from bench.training import evaluation, trainer
from bench.training.build import build_run
from bench.training.data import prepare
from bench.training.measure import Measures
from bench.training.own_steps import takes_own_steps
from bench.training.step import Run
from common.specification import Specification
from methods.base import Batch

STEPS = 60
SCHEDULES = ((0.05, 0.0), (0.05, 0.1), (0.1, 0.0), (0.1, 0.1))  # learning rate, and the share of the run to warm up


@dataclass(frozen=True)
class Short:
    """Some steps of SGD (momentum .9, weight decay 5e-4) on a cosine, symmetric 40%.

    warmup: share of the run. hyper: over the method's defaults. changes: further assignments of the suite file.
    """

    method: str
    network: str
    rate: float
    warmup: float = 0.0
    data: str = "cifar10"
    batch: int = 32
    epochs: int = 6
    steps: int = STEPS
    precision: str = "auto"
    hyper: tuple[tuple[str, Any], ...] = ()
    changes: tuple[str, ...] = ()

    def specification(self) -> Specification:
        """As `run` would have it, of the method's row in a suite with nothing but it."""
        optimizer = f"{{ lr = {self.rate}, momentum = 0.9, weight_decay = 0.0005 }}"
        tables = copy.deepcopy(TABLES)
        assignments = [
            f"data={{ name = '{self.data}', subset = {self.batch * self.steps // self.epochs} }}",
            "noise=[{ model = 'symmetric', rate = 0.4 }]",
            f"training.network='{self.network}'",
            f"training.epochs={self.epochs}",
            f"training.batch_size={self.batch}",
            f"training.optimizer={optimizer}",
            f"training.schedule={{ name = 'cosine', warmup = {self.warmup} }}",
            f"training.precision='{self.precision}'",
            f"methods.{self.method}={{}}",
            *(f"methods.{self.method}.hyper.{key}={value}" for key, value in self.hyper),
            *self.changes,
        ]
        suite.override(tables, assignments)
        [part] = suite.parts(tables, "short.toml")
        cells, _ = spec.cells(part, "short.toml", "cpu", 1)
        return cells[0].spec


@dataclass
class Followed:
    """What a training showed.

    losses: of every step. hits: the share of each step's samples whose true class is predicted, where it observes
    predictions. fits: CAR's -sum t log q, the part of its loss that the data have a say in. logits: the confidence's,
    all that were seen.
    """

    run: Run
    measures: Measures
    losses: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    fits: list[float] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)

    def epoch_means(self, values: list[float]) -> list[float]:
        """Means of the steps of each epoch; all have the same number of steps here."""
        size = len(values) // self.run.spec.epochs
        return [sum(values[start : start + size]) / size for start in range(0, len(values), size)]

    def predictions(self) -> Tensor:
        """[N, K]: mean log-probabilities over the method's members, of the plain training images."""
        made = evaluation.predictions(self.run.method, self.measures.train.loader, 250)
        return made.float().log_softmax(-1).mean(0)

    def clean_accuracy(self) -> float:
        """The share of the training images whose true class is predicted."""
        return float((self.predictions().argmax(1) == truth(self.measures)).float().mean())


def truth(measures: Measures) -> Tensor:
    """[N]: the true labels of the training images."""
    assert measures.train.true is not None
    return measures.train.true


def fit(followed: Followed, batch: Batch, logits: Tensor) -> float:
    """-sum t log q of CAR's step that is just over, in float64, of the targets that its loss had."""
    method: Any = followed.run.method
    gate = method.confidence_logits[batch.index].double()
    h = gate.sigmoid()[:, None]
    t = method.targets[batch.index].clamp(method.target_floor, 1.0).double()
    q = h * logits.double().softmax(1) + (1 - h) * t
    followed.logits.append(gate.float())
    return float(-(t * q.log()).sum(1).mean())


def follow(given: Specification, root: Path | None) -> Followed:
    """Train a specification to its end in this process, on the CPU. Raises what training raises."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as runs have
    try:
        followed = Followed(*build_run(given, prepare(given, root), torch.device("cpu")))
        method: Any = followed.run.method
        true = truth(followed.measures)
        hook = "step" if takes_own_steps(method) else "loss"
        inner: Callable[..., Tensor] = getattr(method, hook)

        def loss(batch: Batch, *given: Any) -> Tensor:
            seen: list[Tensor] = []

            def observe(logits: Tensor, other: Batch | None = None, **values: Tensor) -> None:
                batch.observe(logits, other, **values)
                if other is None:
                    seen.append(logits.detach())

            found = inner(replace(batch, observe=observe), *given)
            followed.losses.append(float(found.detach()))
            followed.hits += [float((logits.argmax(1) == true[batch.index]).float().mean()) for logits in seen]
            if hasattr(method, "confidence_logits"):
                followed.fits += [fit(followed, batch, logits) for logits in seen]
            assert math.isfinite(followed.losses[-1]), f"loss {followed.losses[-1]} in step {len(followed.losses)}"
            return found

        setattr(method, hook, loss)
        for _ in range(given.epochs):
            trainer.train_epoch(followed.run)
        delattr(method, hook)
        return followed
    finally:
        torch.set_num_threads(threads)
