"""Noise that depends on the image; how it is drawn is in `datasets.noise_instance`."""

from __future__ import annotations

from collections.abc import Iterator

from datasets import noise_instance
from datasets.base import DataSet, Images
from datasets.noise_contract import Drawn, NoiseInfo, NoisePlugin, Option, Options, Uniforms
from datasets.noise_maps import HOPELESS


def _draw(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> Drawn:
    assert isinstance(dataset.train, Images)
    scale = noise_instance.PIXELS[options["pixels"]]
    pixels, labels = dataset.train.pixels, dataset.train.labels
    return Drawn(*noise_instance.draw(pixels, labels, dataset.num_classes, rate, options["std"], scale, uniforms.seed))


def _expected_rate(rate: float, options: Options) -> float:
    return noise_instance.mean_flip_rate(rate, options["std"])


def _warnings(rate: float, options: Options) -> list[str]:
    return list(_told(rate, noise_instance.mean_flip_rate(rate, options["std"])))


def _told(rate: float, mean: float) -> Iterator[str]:
    if mean >= 0.5:
        yield f"at least half of the labels are wrong, like images in like ways: {HOPELESS}"
    if abs(mean - rate) > 0.005:
        yield f"flips {100.0 * mean:.1f}% of the labels: the normal is truncated to [0, 1]"


INSTANCE_DEPENDENT = NoisePlugin(
    NoiseInfo(
        "instance_dependent",
        "instance-dependent {rate}",
        "flip rate of each image from a normal (rate, std) truncated to [0, 1], label from the softmax of x . W_y over "
        "the other classes (Xia et al. 2020); pixels as 0..255 (raw) or 0..1 (unit)",
        {"std": Option(0.1, bounds=(0.001, 10.0)), "pixels": Option("raw", tuple(noise_instance.PIXELS))},
        frozenset({"images"}),
    ),
    draw=_draw,
    expected_rate=_expected_rate,
    warnings=_warnings,
)
