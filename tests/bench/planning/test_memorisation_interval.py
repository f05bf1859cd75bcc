"""How often memorisation is measured where a suite does not say, and that what suites said before has not moved."""

from __future__ import annotations

import copy
import hashlib
import math
from pathlib import Path

import pytest
from small_runs import TABLES

from bench.planning import spec, spec_data, suite
from bench.planning.memorisation import default_interval
from bench.planning.workload import EpochImages, epoch_images

# the runs of each suite and a hash of their addresses, made with commit 55d5c4a, where the interval was 1 unless
# stated; at float32 and without the data sets, so that no machine has others. A method's new version changes them, and
# so does a new protocol or a row's new setting: then, and only then, they are made anew (those with rows of `car` or
# `nal` for their version 2, the lite ones with the settings that it was tuned to, those that reproduce a table as
# their sources have it).
BEFORE = {
    "all-methods": (162, "53a1f266b779a422"),
    "animal10n": (15, "1c84d58d6a45e48f"),
    "car": (60, "dee59ba5e4e53fd1"),
    "car-ablation": (24, "f690ea71ef468f17"),
    "car-branch": (24, "2fb91d5b38ff47a0"),
    "car-confidence": (45, "196e897e8dee6489"),
    "cifar10-quarter": (12, "37ec4e33d0b8c3dc"),
    "car-ablation-cifar100": (54, "73b46b177b29e93c"),
    "cifar10": (60, "a3b4ef384a8acc79"),
    "cifar10-lite": (75, "6212d3a3267b7d7c"),
    "cifar10-lite-methods": (165, "4263dbd306e4fc42"),
    "cifar100": (60, "eeced0a1e528f2ee"),
    "cifar100-lite": (75, "ed9c6a031120b195"),
    "cifar100n": (63, "6958b5d87ccc56f6"),
    "cifar100n-lite": (15, "ae0f4cfbc316b2c8"),
    "cifar10n": (330, "af14bf4c515837d4"),
    "cifar10n-lite": (30, "bc1b68fe2f7c8a4e"),
    "clothing1m": (13, "861f57a02888b7d3"),
    "divide-mix-style": (126, "ed18c95d2fd0b5ef"),
    "elr-table1": (640, "2a92f53fb5b56ab5"),
    "food101n": (5, "2d9b6f9b714b1ec5"),
    "quick": (24, "46169e36d0b5af00"),
    "semi-supervised": (60, "a4f26578dd671009"),
    "webvision": (8, "0a51066ff5254222"),
    "car-sensitivity": (28, "b0f3662e19d56003"),
    "cifar-n-reproduction": (264, "799949c5b206b219"),
    "co-teaching": (60, "54c6697948f95f5b"),
    "sce-reproduction": (60, "bbfcb30ed634e62f"),
    "wrong-noise-rate": (45, "4748872b91f189ad"),
}


def share(epochs: int, images: EpochImages, interval: int) -> float:
    """The share of a run's work that is measuring memorisation, in exact thirds of a training pass."""
    measured = math.ceil(epochs / interval) * images.measured
    return measured / (epochs * (3 * images.trained + images.scored) + measured)


IMAGES = (
    EpochImages(5000, 15_000, 5000), EpochImages(10_000, 15_000, 10_000), EpochImages(45_000, 15_000, 45_000),
    EpochImages(1257, 540, 1257), EpochImages(50, 10_000, 50), EpochImages(640, 24_000, 100_000), EpochImages(3, 1, 2),
)  # fmt: skip


@pytest.mark.parametrize("images", IMAGES, ids=str)
def test_it_costs_at_most_a_tenth_and_no_smaller_interval_does(images: EpochImages) -> None:
    for epochs in (1, 2, 3, 7, 30, 31, 100, 200):
        interval = default_interval(epochs, images)
        assert 1 <= interval <= epochs
        if interval < epochs:  # at the last epoch it is measured whatever it costs
            assert share(epochs, images, interval) <= 0.1 + 1e-12
        for smaller in range(1, interval):
            assert share(epochs, images, smaller) > 0.1, "it could be measured more often"


def test_known_cases() -> None:
    assert default_interval(2, EpochImages(5000, 15_000, 5000)) == 2
    assert default_interval(30, EpochImages(10_000, 15_000, 10_000)) == 2
    assert default_interval(200, EpochImages(50_000, 10_000, 50_000)) == 3
    assert default_interval(10, EpochImages(100, 100_000, 100)) == 1, "what costs nothing is measured every epoch"
    assert default_interval(50, EpochImages(100, 100, 0)) == 1, "nothing is measured where the truth is not known"


def planned(*assignments: str) -> list[spec.Cell]:
    tables = copy.deepcopy(TABLES)
    del tables["training"]["memorisation_every"]
    suite.override(tables, ["purpose='compare'", "methods.elr={}", "methods.co_teaching={}", *assignments])
    [part] = suite.parts(tables, "s.toml")
    return spec.cells(part, "s.toml", "cpu", 1)[0]


def test_a_suite_that_does_not_say_gets_one_interval_for_all_its_methods() -> None:
    for assignments in ((), ("training.epochs=20",), ("data.validation={source='inside', size=0.2}",)):
        cells = planned(*assignments)
        expected = default_interval(cells[0].spec.epochs, epoch_images(cells[0].spec))
        assert {cell.spec.memorisation_every for cell in cells} == {expected}
    assert [cell.spec.memorisation_every for cell in planned("training.epochs=20")] == [2, 2]
    assert [cell.spec.memorisation_every for cell in planned("training.memorisation_every=7")] == [7, 7]


def test_no_method_passes_through_fewer_networks_than_are_scored() -> None:
    from methods import registry

    for name in registry.registered():
        info = registry.info(name)
        assert info.passes_per_step >= info.networks, f"{name}: memorisation could cost it more than a tenth"


@pytest.mark.parametrize("name", BEFORE)
def test_addresses_of_the_bundled_suites_are_what_they_were(name: str, tmp_path: Path) -> None:
    path = suite.locate(name)
    tables = suite.read(path)
    suite.impose(tables, "precision", "fp32")
    found = []
    for part in suite.parts(tables, str(path)):
        described = spec_data.describe(part, str(path), tmp_path)
        found += [cell.address for cell in spec.cells(part, str(path), "cpu", part.seeds, described)[0]]
    assert (len(found), hashlib.sha256(" ".join(found).encode()).hexdigest()[:16]) == BEFORE[name]


def test_every_bundled_suite_says_it() -> None:
    """So that its addresses do not move where the rule does; that of own images has no addresses of its own."""
    for name in suite.names():
        assert "memorisation_every" in suite.read(suite.locate(name))["training"], name
    assert suite.read(suite.locate("own-images"))["training"]["memorisation_every"] == 1
