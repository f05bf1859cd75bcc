"""Instance-dependent noise: exact scores, labels that follow the images, and the truncated flip rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_data import TOY, toy

from datasets import noise_instance, registry
from datasets.base import Images
from datasets.noise import make_noise, resolve_options, stream_seed


def test_instance_dependent_scores_are_exact() -> None:
    flat = TOY.train.pixels.reshape(2000, -1)
    weights = noise_instance.projection(7, 3, 16, 10)
    whole = np.rint(weights * 2**20).astype(np.int64)
    assert (flat.astype(np.float64) @ weights == (flat.astype(np.int64) @ whole) / 2**20).all()
    assert abs(weights.mean()) < 0.3 and abs(weights.std() - 1) < 0.2
    assert (weights != noise_instance.projection(7, 4, 16, 10)).any()


def test_instance_dependent_labels_follow_the_images() -> None:
    noisy = make_noise(TOY, "instance_dependent", 0.4, {}, 0)
    assert noisy.actual_rate == pytest.approx(0.4, abs=0.03)
    assert noisy.fingerprint != make_noise(toy(image_seed=2), "instance_dependent", 0.4, {}, 0).fingerprint
    stream = stream_seed(TOY, "instance_dependent", 0.4, resolve_options(TOY, "instance_dependent", {}), 0)
    rows = np.flatnonzero((noisy.labels != TOY.train.labels) & (TOY.train.labels == 6))
    scores = TOY.train.pixels[rows].reshape(len(rows), -1) @ noise_instance.projection(stream, 6, 16, 10)
    scores[:, 6] = -np.inf
    # with raw pixels the softmax all but chooses the largest score
    assert (noisy.labels[rows] == scores.argmax(axis=1)).mean() > 0.95
    unit = make_noise(TOY, "instance_dependent", 0.4, {"pixels": "unit"}, 0)
    assert (unit.expected_matrix > 0).sum() > (noisy.expected_matrix > 1e-6).sum()


def test_same_image_and_class_same_kind_of_error() -> None:
    twin = replace(TOY, train=Images(np.broadcast_to(TOY.train.pixels[:1], TOY.train.pixels.shape), TOY.train.labels))
    matrix = make_noise(twin, "instance_dependent", 0.4, {}, 0).matrix
    wrong = matrix - np.diag(np.diag(matrix))
    assert (wrong.max(axis=1) > 0.95 * wrong.sum(axis=1)).all()


@pytest.mark.parametrize(("rate", "std"), [(0.0, 0.1), (0.1, 0.1), (0.4, 0.1), (0.95, 0.1), (0.5, 1.0)])
def test_mean_of_the_truncated_normal(rate: float, std: float) -> None:
    flips = noise_instance.flip_rates(rate, std, 200_000, 11)
    assert flips.min() >= 0 and flips.max() <= 1
    assert flips.mean() == pytest.approx(noise_instance.mean_flip_rate(rate, std), abs=0.002)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_instance_dependent_on_real_images(cifar_root: Path, name: str) -> None:
    noisy = make_noise(registry.load(name, cifar_root), "instance_dependent", 0.4, {}, 0)
    assert abs(noisy.actual_rate - 0.4) < 0.01
    assert noisy.fingerprint == PINNED_REAL[name]


PINNED_REAL = {
    "cifar10": "58c72c704228dff41a29a7878d51799d53b1d917a161ab74495f106eb13aa847",
    "cifar100": "824319c638fe7599d2be57b73da8f9de643e004e721e8486bd931df57367c12b",
}
