"""Asymmetric noise and pair flip: each class is mistaken for one other, by some map."""

from __future__ import annotations

from datasets import noise_draw, noise_maps
from datasets.base import DataSet, FloatArray, IntArray
from datasets.noise_contract import SAMPLING, Facts, NoiseInfo, NoisePlugin, Options, Uniforms


def _look_alike(facts: Facts, options: Options, uniforms: Uniforms) -> IntArray:
    return noise_maps.from_map(facts.num_classes, facts.asymmetric_map or {})


def _next_in_block(facts: Facts, options: Options, uniforms: Uniforms) -> IntArray:
    return noise_maps.next_in_block(facts.num_classes)


def _next_in_superclass(facts: Facts, options: Options, uniforms: Uniforms) -> IntArray:
    return noise_maps.next_in_superclass(facts.superclass or ())


def _random_pairs(facts: Facts, options: Options, uniforms: Uniforms) -> IntArray:
    return noise_maps.random_pairs(facts.num_classes, uniforms.seed)


def _next_class(facts: Facts, options: Options, uniforms: Uniforms) -> IntArray:
    return noise_maps.next_class(facts.num_classes)


def _in_place(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
    return noise_draw.in_place(dataset.train.labels, dataset.asymmetric_map or {}, rate, uniforms.seed)


def _expected_in_place(facts: Facts, rate: float, options: Options) -> FloatArray:
    return noise_maps.in_place_matrix(facts.num_classes, facts.asymmetric_map or {}, rate)


BY_MAP = (
    NoisePlugin(
        NoiseInfo(
            "asymmetric",
            "asymmetric {rate}",
            "a share of all rows gets the look-alike of its class by the data set's map; other classes keep their "
            "label",
            {"sampling": SAMPLING},
            frozenset({"asymmetric_map"}),
        ),
        target=_look_alike,
    ),
    NoisePlugin(
        NoiseInfo(
            "asymmetric_in_place",
            "asymmetric (in place) {rate}",
            "the map applied class by class to labels already changed, so part of a swap is undone (ELR, GJS, SOP, "
            "APL)",
            needs=frozenset({"asymmetric_map"}),
        ),
        draw=_in_place,
        expected=_expected_in_place,
    ),
    NoisePlugin(
        NoiseInfo(
            "asymmetric_block_of_five",
            "asymmetric (block of five) {rate}",
            "a share of the rows gets the next id in its block of five consecutive ids, circular (NAL, SELC, ELR, "
            "JoCoR)",
            {"sampling": SAMPLING},
            frozenset({"blocks_of_five"}),
        ),
        target=_next_in_block,
    ),
    NoisePlugin(
        NoiseInfo(
            "asymmetric_superclass",
            "asymmetric (superclass) {rate}",
            "a share of the rows gets the next class inside its true superclass, circular (GJS)",
            {"sampling": SAMPLING},
            frozenset({"superclass"}),
        ),
        target=_next_in_superclass,
    ),
    NoisePlugin(
        NoiseInfo(
            "asymmetric_random_pair",
            "asymmetric (random pair) {rate}",
            "in each block of five classes one random pair is swapped for a share of its rows (SL, SOP)",
            {"sampling": SAMPLING},
            frozenset({"blocks_of_five"}),
        ),
        target=_random_pairs,
    ),
)
PAIR_FLIP = NoisePlugin(
    NoiseInfo(
        "pair_flip",
        "pair flip {rate}",
        "a share of the rows gets the next class, circular (Co-teaching)",
        {"sampling": SAMPLING},
    ),
    target=_next_class,
)
