"""What speed is measured on: random images with wrong labels, augmented as CIFAR runs are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bench import execute, networks, trainer
from bench.data import RunData
from bench.speed.case import Case
from bench.step import Run
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
    return RunData(dataset, noise, np.arange(samples), images, given, None)


def specification(case: Case) -> dict[str, Any]:
    """A specification for the synthetic task, with the augmentation that CIFAR runs use."""
    return {
        "protocol": PROTOCOL,
        "dataset": {"name": "synthetic", "training_rows": "all"},
        "noise": {"model": "synthetic", "rate": RATE, "options": {}},
        "method": {"name": case.method, "hyper": methods.resolve(case.method, {})},
        "network": case.network,
        "pretrained": False,
        "epochs": 1000,
        "batch_size": case.batch_size,
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4},
        "schedule": {"name": "constant", "warmup": 0, "update": "step"},
        "augmentation": {
            "crop_padding": 4,
            "padding_mode": "zero",
            "flip": True,
            "cutout": 0,
            "colour_jitter": 0.0,
            "strong_cutout": 8,
            "strong_colour_jitter": 0.4,
        },
        "precision": case.precision,
        "compile": case.compiled,
        "threads": 1,
        "memorisation_every": 1,
        "noise_rate_error": 0.0,
        "scored": "default",
        "seed": 0,
    }


def started(
    case: Case, device: torch.device, capture: str, beat: Callable[[float], None] = lambda progress: None
) -> tuple[Run, RunData]:
    """A run of the case after its first epoch, in which all is warmed up.

    capture: "auto" as runs are, or "off". beat: called in the steps of all its epochs.
    """
    data = synthetic_data(case.samples, networks.NETWORKS[case.network].image_shape)
    run, _ = execute.build_run(specification(case), data, device, capture=capture)
    run.beat = beat
    trainer.train_epoch(run)
    return run, data
