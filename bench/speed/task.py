"""What speed is measured on: random images with wrong labels, augmented as CIFAR runs are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from bench import networks
from bench.speed.case import Case
from bench.training import build, trainer
from bench.training.data import RunData
from bench.training.step import Run
from common.specification import Augmentation, Dataset, MethodSettings, Noise, Specification, Validation
from datasets.base import DataSet, Images
from datasets.noise import NoisyLabels
from methods import registry as methods
from results.record import PROTOCOL

CLASSES = 10
RATE = 0.36  # wrong labels of the synthetic task: as symmetric noise of 40%


def synthetic_data(samples: int, image_shape: tuple[int, int, int], seed: int = 0) -> RunData:
    """Random images (C, H, W) with random labels, a share `RATE` of them wrong."""
    channels, height, width = image_shape
    rng = np.random.Generator(np.random.PCG64(seed))
    true = rng.integers(0, CLASSES, samples)
    given = np.where(rng.random(samples) < RATE, (true + 1) % CLASSES, true)
    pixels = rng.integers(0, 256, (samples, height, width, channels), dtype=np.uint8)
    images = Images(pixels, true)
    few = Images(pixels[:CLASSES], true[:CLASSES])
    matrix = np.eye(CLASSES) * (1 - RATE) + np.roll(np.eye(CLASSES), 1, 1) * RATE
    noise = NoisyLabels(given, "synthetic", RATE, RATE, RATE, matrix, matrix)
    names = tuple(str(number) for number in range(CLASSES))
    dataset = DataSet("synthetic", 1, images, few, names, (0.5,) * channels, (0.25,) * channels)
    return RunData(dataset, noise, np.arange(samples), images, given, None, trusted=few)


def specification(case: Case) -> Specification:
    """A specification for the synthetic task, with the augmentation that CIFAR runs use."""
    return Specification(
        protocol=PROTOCOL,
        dataset=Dataset("synthetic", 1, None, Validation("none", 0), "all"),
        noise=Noise("synthetic", RATE, {}),
        method=MethodSettings(case.method, methods.info(case.method).version, methods.specified(case.method, {})),
        network=case.network,
        epochs=1000,
        batch_size=case.batch_size,
        seed=0,
        scored="default",
        noise_rate_error=0.0,
        optimizer={"name": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4},
        schedule={"name": "constant", "warmup": 0, "update": "step"},
        precision=case.precision,
        pretrained=False,
        threads=1,
        memorisation_every=1,
        augmentation=Augmentation(
            4, "zero", True, 0, 0.0, strong_cutout=8, strong_colour_jitter=0.4, strong=case.strong
        ),
        compile=case.compiled,
    )


def started(
    case: Case, device: torch.device, capture: str, beat: Callable[[float], None] = lambda progress: None
) -> tuple[Run, RunData]:
    """A run of the case after its first epoch, in which all is warmed up.

    capture: "auto" as runs are, or "off". beat: called in the steps of all its epochs.
    """
    data = synthetic_data(case.samples, networks.NETWORKS[case.network].image_shape)
    run, _ = build.build_run(specification(case), data, device, capture=capture)
    run.beat = beat
    trainer.train_epoch(run)
    return run, data
