"""Reference vectors: where they are, how they are compared, and the stand-ins through which a `Method` is fed them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import Batch, Method
from methods.registry import load

FOLDER = Path(os.environ.get("NOISY_BENCH_GOLDEN") or Path(__file__).parents[2] / "shared" / "golden")
Case = dict[str, Any]
Step = dict[str, Any]
Got = dict[str, Any]  # "outputs" and "state" as far as a route gives them, under the keys of the files


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def loss_files() -> list[str]:
    """The stems of all files that hold cases of a method (so not the noise matrices)."""
    return [path.stem for path in sorted(FOLDER.glob("*.json")) if "cases" in read(path.stem)]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested dictionaries as ("outputs.grad.logits", value)."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def is_whole(value: Any) -> bool:
    """Whether a leaf holds integers only; they must be met exactly."""
    return all(map(is_whole, value)) if isinstance(value, list) else isinstance(value, int)


class Worst:
    """The largest absolute errors seen, by method."""

    def __init__(self) -> None:
        self.cases: dict[str, set[str]] = {}
        self.errors: dict[tuple[str, str], float] = {}

    def add(self, method: str, case: str, path: str, error: float) -> None:
        self.cases.setdefault(method, set()).add(case)
        kind = "gradient" if "grad" in path else "loss" if "loss" in path else "table"
        key = (method, kind)
        self.errors[key] = max(error, self.errors.get(key, 0.0))

    def __str__(self) -> str:
        lines = [f"{'golden values':<18}{'cases':>6}{'loss':>10}{'gradient':>10}{'table':>10}"]
        for method, cases in sorted(self.cases.items()):
            values = [self.errors.get((method, kind)) for kind in ("loss", "gradient", "table")]
            cells = "".join(f"{'-' if value is None else format(value, '.1e'):>10}" for value in values)
            lines.append(f"{method:<18}{len(cases):>6}{cells}")
        return "\n".join(lines)


WORST = Worst()


def compare(method: str, case: Case, step: int, got: Got, absent: frozenset[str] = frozenset()) -> None:
    """Assert that `got` holds every value of the step, within the tolerance of the files' README.

    absent: the last parts of paths that this route cannot give.
    """
    rounding = case.get("f32_f64_maxdiff", {})
    found = dict(flatten(got))
    for path, want in flatten({key: case["steps"][step].get(key) or {} for key in ("outputs", "state")}):
        if path.rsplit(".", 1)[-1] in absent:
            continue
        assert path in found, f"{method}: {case['name']}: step {step}: nothing computed for {path}"
        have = torch.as_tensor(found[path], dtype=torch.float64).detach()
        target = torch.tensor(want, dtype=torch.float64)
        assert have.shape == target.shape, f"{path}: shape {tuple(have.shape)}, expected {tuple(target.shape)}"
        error = (have - target).abs()
        # Probabilities of the mixture model depend on its k-means start.
        floor = 1e-3 if path.endswith("prob_clean") else 5e-6
        allowed = 0.0 if is_whole(want) else floor + 10 * rounding.get(path, 0.0) + 1e-5 * target.abs()
        excess = error - allowed
        assert bool((excess <= 0).all()), (
            f"{method}: {case['name']}: step {step}: {path} is off by {float(error.max()):.3g} "
            f"(allowed there {float(torch.as_tensor(allowed).max()):.3g})"
        )
        if error.numel():
            WORST.add(method, case["name"], path, float(error.max()))


class StubNetwork(nn.Module):
    """Returns the logits it was given, one set a pass, and the feature it was given."""

    feature_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Tensor] = []
        self.feature: Tensor | None = None

    def features(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 1) if self.feature is None else self.feature

    def classify(self, features: Tensor) -> Tensor:
        return self.answers.pop(0)

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.features(images))


class FixedShare:
    """Stands in for a NumPy generator whose Beta draw is known."""

    def __init__(self, share: float) -> None:
        self.share = share

    def beta(self, a: float, b: float) -> float:
        return self.share


class StubTask:
    """A task of given labels and facts, whose networks are stubs unless others are handed over."""

    def __init__(
        self,
        labels: Sequence[int],
        num_classes: int,
        facts: Mapping[str, Any] | None = None,
        epochs: int = 1000,
        batch_size: int = 8,
        networks: Mapping[int, nn.Module] | None = None,
    ) -> None:
        self.labels = torch.tensor(labels)
        self.num_classes, self.num_samples, self.epochs = num_classes, len(labels), epochs
        self.batch_size = batch_size
        self.rng: Any = np.random.default_rng(0)
        self.generator = torch.Generator().manual_seed(0)
        self.facts = dict(facts or {})
        self.networks = dict(networks or {})
        self.all_logits = torch.zeros(len(labels), num_classes)

    def network(self, key: int = 0, heads: Any = None) -> nn.Module:
        return self.networks.setdefault(key, StubNetwork())

    def logits(self, network: nn.Module, augment: bool = False, rows: Tensor | None = None) -> Tensor:
        return self.all_logits if rows is None else self.all_logits[rows]

    def evaluate(
        self,
        function: Any,
        rows: Tensor | None = None,
        view: str = "plain",
        batch_size: int | None = None,
        network: nn.Module | None = None,
    ) -> Any:
        return function(torch.zeros(self.num_samples if rows is None else len(rows), 1, 1, 1))

    def sample(self) -> Tensor:
        return torch.arange(self.num_samples)

    def redrawn(self, number: int) -> Tensor:
        return (self.labels + number) % self.num_classes

    def known(self, fact: str) -> Any:
        return self.facts[fact]


def make(name: str, task: StubTask, **hyper: Any) -> Method:
    """The registered method `name` on a stub task, with hyper-parameters as floats where they are floats."""
    cls = load(name)
    typed = {
        key: float(value)
        if isinstance(cls.hyper[key]["default"], float) and cls.hyper[key].get("unit") is None
        else value
        for key, value in hyper.items()
    }
    method = cls(task, **typed)
    method.train()
    return method


def make_batch(
    method: Method,
    labels: Sequence[int],
    index: Sequence[int] | None = None,
    epoch: int = 1,
    observed: dict[str, Any] | None = None,
) -> Batch:
    """A batch of empty images; what the method observes lands in `observed`."""

    def observe(logits: Tensor, batch: Batch | None = None, **values: Tensor) -> None:
        if observed is not None:
            observed.update(values)

    return Batch(
        views=tuple(torch.zeros(len(labels), 1, 1, 1) for _ in method.views),
        labels=torch.tensor(labels),
        index=torch.arange(len(labels)) if index is None else torch.tensor(index),
        epoch=epoch,
        step=0,
        progress=epoch - 1.0,
        observe=observe,
    )


def leaf(values: Any, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of an input that wants a gradient."""
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def gradients(loss: Tensor, **inputs: Tensor) -> dict[str, Tensor]:
    """Gradients by name; zeros for an input that the loss does not depend on."""
    if not loss.requires_grad:
        return {name: torch.zeros_like(value) for name, value in inputs.items()}
    found = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(inputs.items(), found, strict=True)
    }
