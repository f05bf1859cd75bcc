"""Symmetric noise: a share of the rows gets a label drawn from all classes, or from the other ones."""

from __future__ import annotations

from datasets import noise_draw, noise_maps
from datasets.base import DataSet, FloatArray, IntArray
from datasets.noise_contract import SAMPLING, Facts, NoiseInfo, NoisePlugin, Options, Uniforms


def _from_all(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
    true = dataset.train.labels
    chosen = noise_draw.chosen_rows(true, rate, options["sampling"], uniforms.seed)
    return noise_draw.symmetric(true, dataset.num_classes, chosen, uniforms.seed)


def _from_others(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
    true = dataset.train.labels
    chosen = noise_draw.chosen_rows(true, rate, options["sampling"], uniforms.seed)
    return noise_draw.symmetric_excluding(true, dataset.num_classes, chosen, uniforms.seed)


def _expected_from_all(facts: Facts, rate: float, options: Options) -> FloatArray:
    return noise_maps.symmetric_matrix(facts.num_classes, rate)


def _expected_from_others(facts: Facts, rate: float, options: Options) -> FloatArray:
    return noise_maps.symmetric_excluding_matrix(facts.num_classes, rate)


SYMMETRIC = NoisePlugin(
    NoiseInfo(
        "symmetric",
        "symmetric {rate}",
        "a share of the rows gets a label drawn from all classes, the true one among them (DivideMix, ELR, NAL, SELC)",
        {"sampling": SAMPLING},
    ),
    draw=_from_all,
    expected=_expected_from_all,
)
SYMMETRIC_EXCLUDING = NoisePlugin(
    NoiseInfo(
        "symmetric_excluding",
        "symmetric (other classes) {rate}",
        "a share of the rows gets a label drawn from the other classes (Co-teaching, JoCoR, SL, APL)",
        {"sampling": SAMPLING},
    ),
    draw=_from_others,
    expected=_expected_from_others,
)
