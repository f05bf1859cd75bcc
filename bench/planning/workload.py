"""How much work a run is, told from its specification alone: images of an epoch, and passes of a network over them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench import networks
from common.specification import Specification
from datasets import registry as datasets
from datasets.base import DataSetInfo
from methods import registry as methods

TYPICAL_PRODUCTS = 100.0  # millions; of a network that does not tell: more than a small one's, less than a ResNet's
SCORING_SHARE = 1 / 3  # what a forward pass alone costs, of forward, backward and step


@dataclass(frozen=True)
class EpochImages:
    """Images of one epoch.

    trained: 0 where nobody knows the number, as of own images. scored: after every epoch (test sets and validation).
    measured: training images that are scored where memorisation is measured; 0 where their truth is not known.
    """

    trained: int
    scored: int
    measured: int


def epoch_images(spec: Specification, described: DataSetInfo | None = None) -> EpochImages:
    """The images of a run's epochs. described: its data set as found; None: as published."""
    part, sampling = spec.dataset, spec.sampling
    info = described or datasets.info(part.name)
    train = part.subset or info.num_train
    size = part.validation.size
    held_out = round(size * train) if isinstance(size, float) else size
    train -= held_out if part.validation.source == "inside" else 0
    train -= part.trusted.size if part.trusted is not None else 0
    if part.validation.source == "official":
        held_out = info.num_validation
    trained = train
    if sampling is not None:
        trained = min(train, sampling.batches * spec.batch_size)
    scored = info.num_test + held_out + sum(info.further_tests.values())
    return EpochImages(trained, scored, train if info.truth else 0)


def training_passes(spec: Specification) -> float:
    """The work of a run, in training passes of one network over one image; 0 where it is not known."""
    images, info = epoch_images(spec), methods.info(spec.method.name)
    measurements = math.ceil(spec.epochs / spec.memorisation_every)
    scored = spec.epochs * images.scored + measurements * images.measured
    return float(spec.epochs * images.trained * info.passes_per_step + scored * SCORING_SHARE * info.networks)


def image_shape(spec: Specification) -> tuple[int, int, int]:
    """(H, W, C) of what the network is fed."""
    height, width, channels = datasets.info(spec.dataset.name).image_shape
    crop = spec.augmentation.crop
    return (height, width, channels) if crop is None else (crop, crop, channels)


def pass_products(spec: Specification) -> float:
    """Millions of multiplications of one forward pass: those of the network where it is at home, by area elsewhere."""
    info = networks.NETWORKS[spec.network]
    height, width, _ = image_shape(spec)
    return (info.products or TYPICAL_PRODUCTS) * height * width / (info.image_shape[1] * info.image_shape[2])
