"""The small synthetic problem that a method is checked on, and its training through the real loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.networks.network import Network
from bench.training import evaluation, measure, trainer
from bench.training.build import build_run
from bench.training.data import RunData
from bench.training.step import Run
from common.specification import (
    Augmentation,
    Dataset,
    MethodSettings,
    Noise,
    Precision,
    Specification,
    Validation,
)
from datasets.base import DataSet, Images, IntArray
from datasets.noise import NoisyLabels
from datasets.randomness import derive_seed, integers, permutation, uniforms
from methods import registry as methods
from methods.hyper import AUTHORS
from methods.registry import HyperParameter, Value
from results.record import PROTOCOL

CPU = torch.device("cpu")
SIDE = 8
TEST_SAMPLES = 24
NOMINAL_EPOCHS = 200  # the length that delays given as whole numbers of epochs are meant for


@dataclass(frozen=True)
class Problem:
    """What is trained on, and how. The images of a class are a pattern of 8 x 8 coloured pixels and a little noise.

    samples is prime by default, so that no other axis is as long. noise: share of labels drawn anew. truth: 0, or
    another number for other true labels and another test set with the same images and given labels.
    """

    classes: int = 4
    samples: int = 61
    batch_size: int = 16
    epochs: int = 8
    noise: float = 0.4
    learning_rate: float = 0.05
    precision: Precision = "fp32"
    seed: int = 0
    truth: int = 0


def _images(labels: IntArray, classes: int, purpose: str) -> Images:
    shape = (SIDE, SIDE, 3)
    patterns = uniforms(derive_seed("check", "patterns"), classes * SIDE * SIDE * 3).reshape(classes, *shape)
    own = uniforms(derive_seed("check", purpose), len(labels) * SIDE * SIDE * 3).reshape(-1, *shape)
    return Images((255 * (0.8 * patterns[labels] + 0.2 * own)).astype(np.uint8), labels)


def make_data(problem: Problem) -> RunData:
    """Images, given labels and truth of a problem, as a run is handed them."""
    classes, samples = problem.classes, problem.samples
    pictured = permutation(derive_seed("check", "classes"), samples) % classes
    redrawn = uniforms(derive_seed("check", "wrong"), samples) < problem.noise
    given = np.where(redrawn, integers(derive_seed("check", "labels"), samples, classes), pictured)
    true, tested = pictured, np.arange(TEST_SAMPLES) % classes
    if problem.truth:
        true, tested = (pictured + 1 + np.arange(samples) % (classes - 1)) % classes, tested[::-1].copy()
    train, test = _images(pictured, classes, "train"), _images(tested, classes, f"test {problem.truth}")
    matrix = (1 - problem.noise) * np.eye(classes) + problem.noise / classes
    expected = problem.noise * (1 - 1 / classes)
    dataset = DataSet(
        name="check",
        version=1,
        train=Images(train.pixels, true),
        test=test,
        class_names=tuple(map(str, range(classes))),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        asymmetric_map=None,
        superclass=None,
    )
    noise = NoisyLabels(given, "", problem.noise, float((given != true).mean()), expected, matrix, matrix)
    return RunData(dataset, noise, np.arange(samples), dataset.train, given, None)


def in_short(name: str, declared: HyperParameter, epochs: int, authors: bool = False) -> Value:
    """A hyper-parameter's default for a run of `epochs`: delays shrink with the run, to at least one epoch.

    A share stays a share. authors: the default is the authors', where one is declared.
    """
    default = declared.get("authors", declared["default"]) if authors else declared["default"]
    if declared.get("unit") != "epochs" or not isinstance(default, int | float) or not default:
        return default
    share = default if isinstance(default, float) else default / NOMINAL_EPOCHS
    count = max(1, int(share * epochs + 0.5))
    return count if isinstance(default, int) else count / epochs


def specification(name: str, problem: Problem, hyper: Mapping[str, Value]) -> Specification:
    """The specification of a check run."""
    info = methods.info(name)
    authors = hyper.get(AUTHORS) is True
    defaults = {key: in_short(key, entry, problem.epochs, authors) for key, entry in info.hyper.items()}
    return Specification(
        protocol=PROTOCOL,
        dataset=Dataset("check", 1, None, Validation("none", 0), "all"),
        noise=Noise("symmetric", problem.noise, {}),
        method=MethodSettings(name, info.version, {**defaults, **hyper}),
        network="digits_cnn",
        epochs=problem.epochs,
        batch_size=problem.batch_size,
        seed=problem.seed,
        scored="default",
        noise_rate_error=0.0,
        optimizer={"name": "sgd", "lr": problem.learning_rate, "momentum": 0.9, "weight_decay": 5e-4},
        schedule={"name": "cosine", "minimum": 0.0, "warmup": 0, "update": "step"},
        precision=problem.precision,
        pretrained=False,
        threads=1,
        memorisation_every=1,
        augmentation=Augmentation(1, "zero", False, 0, 0.0, strong_cutout=3, strong_colour_jitter=0.2),
    )


@dataclass
class Training:
    """A check run: trained epoch by epoch, measured after each as every run is."""

    run: Run
    measures: measure.Measures
    curves: dict[str, Any] = field(default_factory=dict)

    def train(self, until: int | None = None, after_epoch: Callable[[], None] = lambda: None) -> Training:
        """Train to the end, or until so many epochs are done."""
        epochs = self.run.spec.epochs
        while self.run.position.epoch < (epochs if until is None else until):
            seen = trainer.train_epoch(self.run)
            measure.after_epoch(self.run.method, self.measures, self.curves, self.run.position.epoch, epochs, seen)
            after_epoch()
        return self

    def predictions(self) -> Tensor:
        """[M, N, K] logits of the training images."""
        return evaluation.predictions(self.run.method, self.measures.train.loader, self.measures.batch_size)

    def clean_scores(self) -> Tensor | None:
        """The method's own scores, asked for as at the end of a run."""
        with evaluation.evaluating(self.run.method):
            found = self.run.method.clean_scores()
        return None if found is None else found.clone()

    def shown(self) -> dict[str, Tensor]:
        """What a run shows of a method: predictions, scores, and what the training passes told."""
        observer = self.run.observer
        found = {"predictions": self.predictions(), "probability of the given label": observer.probability_sum.clone()}
        found |= {f"observed {name}": values.clone() for name, values in observer.last.items()}
        scores = self.clean_scores()
        return found if scores is None else {**found, "clean_scores": scores}

    def outcome(self) -> dict[str, Tensor]:
        """Everything that two equal runs have equal: what is shown, and all parameters and buffers."""
        return self.shown() | {name: value.detach().clone() for name, value in self.run.method.state_dict().items()}


def start(name: str, problem: Problem, hyper: Mapping[str, Value] | None = None, capture: str = "off") -> Training:
    """A run of the method before its first epoch. capture: see `bench.training.capture.make`."""
    spec = specification(name, problem, hyper or {})
    return Training(*build_run(spec, make_data(problem), CPU, capture=capture))


def _bits(value: Tensor) -> bytes:
    return value.detach().contiguous().cpu().numpy().tobytes()


def difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> str | None:
    """The name of the first entry that is not the same bit for bit in both; None where there is none."""
    for name in {**one, **other}:
        if name not in one or name not in other:
            return name
        a, b = one[name], other[name]
        if a.shape != b.shape or a.dtype != b.dtype or _bits(a) != _bits(b):
            return name
    return None


def replace_logits(training: Training, change: Callable[[Tensor], Tensor]) -> None:
    """Let every network of the method answer with changed logits [B, K], in training and evaluation."""
    for module in training.run.method.modules():
        if isinstance(module, Network):
            module.blocks[-1].register_forward_hook(lambda layer, inputs, logits: change(logits))


def scaled(logits: Tensor) -> Tensor:
    """Logits of a network that is very sure of itself."""
    return 40 * logits


def extreme(logits: Tensor) -> Tensor:
    """Logits of exactly +-50, by row: one class high, one class low, all equal, every other class high.

    The gradient passes through as if nothing had been changed.
    """
    row = torch.arange(len(logits))[:, None]
    column = torch.arange(logits.shape[1])[None]
    one = row // 4 % logits.shape[1] == column
    kinds = torch.stack([one, ~one, torch.ones_like(one), (row // 4 + column) % 2 == 0])
    high = kinds[row[:, 0] % 4, row[:, 0]]
    return logits + (torch.where(high, 50.0, -50.0) - logits).detach()
