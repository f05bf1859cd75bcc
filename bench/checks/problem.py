"""The small synthetic problem that a method is checked on, and its training through the real loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.machine import accelerator
from bench.networks import NETWORKS
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
from datasets.base import DataSet, HeldOut, Images, IntArray
from datasets.noise import NoisyLabels
from datasets.randomness import derive_seed, integers, permutation, uniforms
from methods import registry as methods
from methods.hyper import AUTHORS
from methods.registry import HyperParameter, Value
from results.record import PROTOCOL

NETWORK = "digits_cnn"
SIDE = 8
TEST_SAMPLES = 24
TRUSTED = 23
NOMINAL_EPOCHS = 200  # the length that delays given as whole numbers of epochs are meant for


@dataclass(frozen=True)
class Problem:
    """What is trained on, and how. The images of a class are a pattern of 8 x 8 coloured pixels and a little noise.

    samples is prime by default, so that no other axis is as long. noise: share of labels drawn anew. truth: 0, or
    another number for other true labels and another test set with the same images and given labels. network, device:
    what it is trained with, and where.
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
    network: str = NETWORK
    device: str = "cpu"


SMALL, LARGER = Problem(), Problem(samples=509, batch_size=64)
"""What is looked at first; and again where so few samples may be why something is found."""


def _shape(network: str) -> tuple[int, int, int]:
    """Height, width and channels of the images: 8 x 8 in colour, or what another network is made for, in small."""
    channels, height, width = NETWORKS[network].image_shape
    if network == NETWORK:
        return SIDE, SIDE, 3
    largest = max(32, NETWORKS[network].smallest)
    return min(height, largest), min(width, largest), channels


def _images(labels: IntArray, classes: int, purpose: str, shape: tuple[int, int, int]) -> Images:
    size = shape[0] * shape[1] * shape[2]
    patterns = uniforms(derive_seed("check", "patterns"), classes * size).reshape(classes, *shape)
    own = uniforms(derive_seed("check", purpose), len(labels) * size).reshape(-1, *shape)
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
    shape = _shape(problem.network)
    train, test = _images(pictured, classes, "train", shape), _images(tested, classes, f"test {problem.truth}", shape)
    matrix = (1 - problem.noise) * np.eye(classes) + problem.noise / classes
    expected = problem.noise * (1 - 1 / classes)
    dataset = DataSet(
        name="check",
        version=1,
        train=Images(train.pixels, true),
        test=test,
        class_names=tuple(map(str, range(classes))),
        mean=(0.5,) * shape[2],
        std=(0.25,) * shape[2],
        asymmetric_map=None,
        superclass=None,
    )
    noise = NoisyLabels(given, "", problem.noise, float((given != true).mean()), expected, matrix, matrix)

    def further(number: int) -> IntArray:
        """Given labels in another draw, of the pictured classes whatever the truth is."""
        wrong = uniforms(derive_seed("check", "wrong", number), samples) < problem.noise
        return np.where(wrong, integers(derive_seed("check", "labels", number), samples, classes), pictured)

    told = _images(np.arange(TRUSTED) % classes, classes, "trusted", shape)  # the same whatever the truth is
    return RunData(dataset, noise, np.arange(samples), dataset.train, given, None, further, told, np.arange(0))


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
        network=problem.network,
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
            self.run.task.tell_validation(self.curves.get("noisy_validation_accuracy", ()))
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
            scores = self.run.method.clean_scores()
        return None if scores is None else scores.clone()

    def shown(self) -> dict[str, Tensor]:
        """What a run shows of a method: predictions, scores, and what the training passes told."""
        observer = self.run.observer
        shown = {"predictions": self.predictions(), "probability of the given label": observer.probability_sum.clone()}
        shown |= {f"observed {name}": values.clone() for name, values in observer.last.items()}
        scores = self.clean_scores()
        return shown if scores is None else {**shown, "clean_scores": scores}

    def outcome(self) -> dict[str, Tensor]:
        """Everything that two equal runs have equal: what is shown, and all parameters and buffers."""
        return self.shown() | {name: value.detach().clone() for name, value in self.run.method.state_dict().items()}


def start(name: str, problem: Problem, hyper: Mapping[str, Value] | None = None, capture: str = "off") -> Training:
    """A run of the method before its first epoch. capture: see `bench.training.capture.make`."""
    spec = specification(name, problem, hyper or {})
    data = make_data(problem)
    if "noisy_validation" in methods.info(name).needs:
        labels = np.arange(TRUSTED) % problem.classes
        wrong = np.where(np.arange(TRUSTED) % 3, labels, (labels + 1) % problem.classes)
        images = _images(labels, problem.classes, "validation", _shape(problem.network))
        data = replace(data, validation=HeldOut(images, wrong))
    return Training(*build_run(spec, data, accelerator.prepare(problem.device), capture=capture))


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
