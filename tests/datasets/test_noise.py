"""Noise models: pinned labels, rates, matrices against those of published code, and files as sources."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_data
from toy_data import PER_CLASS, TOY, toy

from datasets import cifar, noise_draw, noise_maps, registry
from datasets.base import DataError, DataSet, Images
from datasets.noise import NOISE_MODELS, make_noise, resolve_options, stream_seed, transition


@pytest.fixture
def matrix_file(tmp_path: Path) -> Path:
    return toy_data.write_matrix(tmp_path)


@pytest.fixture
def labels_file(tmp_path: Path) -> Path:
    return toy_data.write_labels(tmp_path)


# ---- what must never change ------------------------------------------------------------------------------------------

PINNED = {
    "clean": "c24692bd6ac163e5f035af5e97377ad65e46f5718ee25149c44641edc94957de",
    "symmetric": "a3eeba109676cc821726c56a0a8e12ce30c5d4d970e01888711bb5a05c7505f0",
    "symmetric_excluding": "023f1f01ee869646d07e7327a287c1e7b6bc72a763787a4b63ef73a268f7de83",
    "asymmetric": "145230f462a017c8016039b083edc416db8316e8826957c31b7a9716603711d4",
    "asymmetric_in_place": "184e370c95de6fdcb9654f4fbd7f9a00889a7dc070cf2e3a2a40e3001fa2b20e",
    "asymmetric_block_of_five": "3fe33db7c0fbfc85e25ff78968ddd5b13d5da7b9ea92b5798f79baeaf919d204",
    "asymmetric_superclass": "bfea42af35c0b99505081d7706d39d0038c08bedb38b57218fc35a8663367386",
    "asymmetric_random_pair": "9eebdca0ac62f67320612ae7643c40b2397ffa8f3336a5bc8a399f24309c7cd0",
    "pair_flip": "d552ff60a7b6bd12778059bc20c7b69c50d1e1fce0961b6f0fb40208043a41dc",
    "matrix": "a2004925558fec58c8679d13dbac1166cc4832c0e6b96fb1fb8fb127d09f4646",
    "instance_dependent": "725d27781bc6884b3b51ea9df122d850e8658cb44cec39fb28c917248e51913f",
    "labels_file": "7ea983d367a0dc90bedd6a3b6b15497ad187739f275a55dfac3e86033fcd6789",
}


def test_every_model_that_draws_labels_has_a_pinned_fingerprint() -> None:
    published = {model.name for model in NOISE_MODELS if model.info.dataset is not None}
    assert set(PINNED) == set(NOISE_MODELS.names) - published - {"own"}


@pytest.mark.parametrize("model", PINNED)
def test_fingerprints_are_pinned(model: str, matrix_file: Path, labels_file: Path) -> None:
    options: dict[str, Any] = {
        "matrix": {"file": str(matrix_file)},
        "labels_file": {"file": str(labels_file), "key": "worst"},
    }.get(model, {})
    noisy = make_noise(TOY, model, 0.4 if NOISE_MODELS[model].info.takes_rate else 0.0, options, seed=0)
    assert noisy.fingerprint == PINNED[model]
    assert noisy.labels.dtype == np.int64 and noisy.labels.shape == TOY.train.labels.shape


@pytest.mark.parametrize(
    ("sampling", "pinned"),
    [
        ("exact_per_class", "a296cfa77fe78b8d831aa6652a67fcbefdf0974f82d634a49abe6db8eb7a949d"),
        ("per_sample", "f6c214339756ede759663ae03f78d7c7408a8781dc1f2df5deac88f16cad116d"),
    ],
)
def test_fingerprints_of_the_ways_to_sample_are_pinned(sampling: str, pinned: str) -> None:
    assert make_noise(TOY, "symmetric", 0.4, {"sampling": sampling}, 0).fingerprint == pinned


def test_digits_at_symmetric_50_percent_are_pinned() -> None:
    noisy = make_noise(registry.load("digits"), "symmetric", 0.5, {}, 0)
    assert noisy.fingerprint == "64dbf3e72acfde793c41396b22ce64436a55d9ff66d3ec27754525f658700427"
    assert noisy.expected_rate == 0.45


def test_labels_depend_on_labels_specification_and_seed_alone() -> None:
    reference = make_noise(TOY, "symmetric", 0.4, {}, 3)
    other_images = replace(toy(image_seed=9), test=Images(TOY.test.pixels[:3], TOY.test.labels[:3]), mean=(0.1,))
    np.random.seed(0)
    again = make_noise(other_images, "symmetric", 0.4, {"sampling": "exact"}, 3)
    assert again.fingerprint == reference.fingerprint
    others = [
        make_noise(TOY, "symmetric", 0.4, {}, 4),
        make_noise(toy("other"), "symmetric", 0.4, {}, 3),
        make_noise(TOY, "symmetric", 0.41, {}, 3),
        make_noise(TOY, "symmetric", 0.4, {"sampling": "per_sample"}, 3),
        make_noise(TOY, "symmetric_excluding", 0.4, {}, 3),
    ]
    assert len({noisy.fingerprint for noisy in [reference, *others]}) == 6


def test_clean_labels_are_not_touched() -> None:
    before = TOY.train.labels.copy()
    noisy = make_noise(TOY, "clean", 0.0, {}, 0)
    noisy.labels[:] = 0
    make_noise(TOY, "asymmetric_in_place", 0.9, {}, 0)
    assert (TOY.train.labels == before).all()


# ---- rates and matrices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.29, 0.5, 1.0])
def test_exact_counts(rate: float) -> None:
    expected = int(rate * 2000)
    for model in ("symmetric_excluding", "pair_flip", "asymmetric_block_of_five", "asymmetric_superclass"):
        labels = make_noise(TOY, model, rate, {}, 0).labels
        assert (labels != TOY.train.labels).sum() == expected
    per_class = make_noise(TOY, "pair_flip", rate, {"sampling": "exact_per_class"}, 0).labels
    wrong = np.bincount(TOY.train.labels[per_class != TOY.train.labels], minlength=10)
    assert wrong.tolist() == [int(rate * PER_CLASS)] * 10


def test_per_sample_counts_vary_about_the_rate() -> None:
    counts = [
        int((make_noise(TOY, "pair_flip", 0.4, {"sampling": "per_sample"}, seed).labels != TOY.train.labels).sum())
        for seed in range(8)
    ]
    assert len(set(counts)) > 1
    assert abs(np.mean(counts) - 800) < 4 * np.sqrt(2000 * 0.24 / 8)


def test_symmetric_noise_includes_the_true_class() -> None:
    chosen = noise_draw.chosen_rows(TOY.train.labels, 0.4, "exact", 5)
    drawn = noise_draw.symmetric(TOY.train.labels, 10, chosen, 5)
    assert chosen.sum() == 800
    assert (drawn[~chosen] == TOY.train.labels[~chosen]).all()
    kept = (drawn[chosen] == TOY.train.labels[chosen]).sum()
    assert 40 < kept < 130  # 80 expected
    assert (np.bincount(drawn[chosen], minlength=10) > 40).all()


def _balanced(classes: int, per_class: int, described: Any) -> DataSet:
    labels = np.repeat(np.arange(classes, dtype=np.int64), per_class)
    images = Images(np.zeros((len(labels), 1, 1, 1), dtype=np.uint8), labels)
    return replace(
        TOY,
        name=described.name,
        train=images,
        class_names=described.class_names,
        asymmetric_map=described.asymmetric_map,
        superclass=described.superclass,
    )


BALANCED10 = _balanced(10, 5000, cifar.CIFAR10)
BALANCED100 = _balanced(100, 500, cifar.CIFAR100)


@pytest.mark.parametrize("sampling", noise_draw.SAMPLINGS)
@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        ("symmetric", 0.36),
        ("symmetric_excluding", 0.4),
        ("asymmetric", 0.2),
        ("pair_flip", 0.4),
        ("asymmetric_block_of_five", 0.4),
        ("asymmetric_random_pair", 0.16),
    ],
)
def test_rates_and_counted_matrices_follow_the_expected_ones(sampling: str, model: str, wrong: float) -> None:
    noisy = make_noise(BALANCED10, model, 0.4, {"sampling": sampling}, 1)
    assert noisy.nominal_rate == 0.4 and noisy.expected_rate == pytest.approx(wrong, abs=1e-12)
    assert noisy.actual_rate == pytest.approx(wrong, abs=0.01)
    assert np.allclose(noisy.expected_matrix.sum(axis=1), 1) and np.allclose(noisy.matrix.sum(axis=1), 1)
    assert np.abs(noisy.matrix - noisy.expected_matrix).max() < 5 * np.sqrt(0.24 / 5000)


def test_expected_rate_follows_the_class_frequencies() -> None:
    rows = np.flatnonzero(TOY.train.labels < 2)  # classes that the map leaves alone
    keep = np.concatenate([rows, np.flatnonzero(TOY.train.labels == 2)])
    part = replace(TOY, train=Images(TOY.train.pixels[keep], TOY.train.labels[keep]))
    noisy = make_noise(part, "asymmetric", 0.3, {}, 0)
    assert noisy.expected_rate == pytest.approx(0.1)
    assert noisy.matrix[5].sum() == 0  # a class without samples


def _golden(golden_root: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((golden_root / "noise.json").read_text())
    return held


def test_canonical_matrices(golden_root: Path) -> None:
    canonical = _golden(golden_root)["canonical"]
    for model, key in [
        ("symmetric", "cifar10_sym_inclusive"),
        ("symmetric_excluding", "cifar10_sym_exclusive"),
        ("asymmetric", "cifar10_asym"),
        ("asymmetric_in_place", "cifar10_asym_inplace_chain"),
    ]:
        noisy = make_noise(BALANCED10, model, 0.4, {}, 0)
        assert np.allclose(noisy.expected_matrix, canonical[key], atol=1e-9)
        assert np.abs(noisy.matrix - np.array(canonical[key])).max() < 5 * np.sqrt(0.24 / 5000)
    rates = canonical["wrong_rates"]
    for model, classes, key in [
        ("symmetric", BALANCED10, "cifar10_sym_inclusive"),
        ("symmetric", BALANCED100, "cifar100_sym_inclusive"),
        ("symmetric_excluding", BALANCED10, "sym_exclusive"),
        ("asymmetric", BALANCED10, "cifar10_asym"),
        ("asymmetric_in_place", BALANCED10, "cifar10_asym_inplace_chain"),
        ("asymmetric_block_of_five", BALANCED100, "cifar100_asym"),
        ("asymmetric_superclass", BALANCED100, "cifar100_asym"),
    ]:
        assert make_noise(classes, model, 0.4, {}, 0).expected_rate == pytest.approx(rates[key], abs=1e-9)


def test_cifar100_maps(golden_root: Path) -> None:
    golden = _golden(golden_root)["cifar100"]
    superclass = cifar.CIFAR100.superclass
    assert superclass is not None
    assert list(superclass) == golden["fine_to_coarse"]
    assert noise_maps.next_in_block(100).tolist() == golden["block5_next"]
    assert noise_maps.next_in_superclass(superclass).tolist() == golden["superclass_next_by_fine_id"]


# the one generator whose pairs are its own: bidirectional pairs of CIFAR-10 classes instead of i -> i + 1
NOT_OURS = {"negative-label-smoothing_cifar10_pairflip"}


def _model_of(entry: dict[str, Any]) -> str:
    """Our model for what a repository's generator does."""
    if entry["mode"] == "sym":
        return "symmetric" if entry["includes_true_class"] else "symmetric_excluding"
    if entry["mode"] == "pair":
        return "pair_flip"
    if entry["dataset"] == "cifar10":
        return "asymmetric" if entry["wrong_label_rate_balanced"] == pytest.approx(0.2) else "asymmetric_in_place"
    return {
        "block5_next": "asymmetric_block_of_five",
        "superclass_next_by_fine_id": "asymmetric_superclass",
        None: "asymmetric_random_pair",
    }[entry["equals"]]


def test_matrices_of_the_published_generators(golden_root: Path) -> None:
    entries = [entry for entry in _golden(golden_root)["entries"] if entry["id"] not in NOT_OURS]
    assert len(entries) == 53
    for entry in entries:
        model, rate = _model_of(entry), entry["nominal_rate"]
        data = BALANCED10 if entry["dataset"] == "cifar10" else BALANCED100
        matrix = transition(data, model, rate, {"sampling": "exact"})
        assert matrix is not None
        wrong = 1.0 - float(np.diag(matrix).mean())
        assert wrong == pytest.approx(entry["wrong_label_rate_balanced"], abs=1e-9), entry["id"]
        if entry["T"] is not None:
            assert np.allclose(matrix, entry["T"], atol=1e-8), entry["id"]
        elif model != "asymmetric_random_pair":
            assert matrix.argsort(axis=1)[:, -2].tolist() == entry["target_map"], entry["id"]
        else:  # the pairs are drawn; their structure is compared
            for target in (np.array(entry["target_map"]), noise_maps.random_pairs(100, 0)):
                ids = np.arange(100)
                assert (target != ids).reshape(20, 5).sum(axis=1).tolist() == [2] * 20
                assert (target[target] == ids).all() and (target // 5 == ids // 5).all()
        counted = make_noise(data, model, rate, {}, 2)
        if entry["empirical"] is not None:
            assert counted.actual_rate == pytest.approx(entry["empirical"]["wrong_label_rate"], abs=0.01), entry["id"]
        if entry["empirical"] is not None and entry["empirical"]["T_hat"] is not None:
            spread = np.sqrt(0.25 / entry["empirical"]["per_class"])
            assert np.abs(counted.matrix - entry["empirical"]["T_hat"]).max() < 6 * spread, entry["id"]


def test_random_pairs_depend_on_the_seed_and_reach_every_pair() -> None:
    drawn = [noise_maps.random_pairs(100, seed) for seed in range(30)]
    assert len({tuple(target.tolist()) for target in drawn}) == 30
    pairs = {(i % 5, int(target[i]) % 5) for target in drawn for i in range(100) if target[i] > i}
    assert pairs == {(i, j) for i in range(5) for j in range(i + 1, 5)}
    noisy = [make_noise(BALANCED10, "asymmetric_random_pair", 0.4, {}, seed) for seed in range(6)]
    assert len({held.expected_matrix.tobytes() for held in noisy}) > 1


def test_in_place_edits_move_exact_counts() -> None:
    matrix = make_noise(TOY, "asymmetric_in_place", 0.4, {}, 0).matrix * PER_CLASS
    assert matrix[2, 0] == 80 and matrix[4, 7] == 80 and matrix[9, 1] == 80
    assert matrix[3, 5] + matrix[5, 5] == 168  # 280 carry class 5 after cats have moved; 112 of them move on


def test_matrix_from_files(tmp_path: Path, matrix_file: Path) -> None:
    matrix = np.load(matrix_file)
    np.savetxt(tmp_path / "m.csv", matrix, delimiter=",")
    (tmp_path / "m.json").write_text(json.dumps(matrix.tolist()))
    np.savez(tmp_path / "m.npz", matrix=matrix, other=np.zeros(3))
    drawn = [
        make_noise(TOY, "matrix", 0.0, {"file": str(path)}, 0)
        for path in (matrix_file, tmp_path / "m.csv", tmp_path / "m.json", tmp_path / "m.npz")
    ]
    assert len({noisy.fingerprint for noisy in drawn}) == 1  # the content counts, not the name
    assert drawn[0].expected_rate == drawn[0].nominal_rate == pytest.approx(0.3)
    assert np.abs(drawn[0].matrix - matrix).max() < 0.15 and (drawn[0].matrix[matrix == 0] == 0).all()


def test_given_labels_from_files(tmp_path: Path, labels_file: Path) -> None:
    noisy = make_noise(TOY, "labels_file", 0.0, {"file": str(labels_file), "key": "worst"}, 0)
    assert (noisy.labels[:300] == 7).all() and (noisy.labels[300:] == TOY.train.labels[300:]).all()
    assert noisy.expected_rate == noisy.actual_rate == noisy.nominal_rate == pytest.approx(0.135)
    assert (noisy.expected_matrix == noisy.matrix).all()
    text = "image,label,worst\n" + "".join(f"{i},{label},3\n" for i, label in enumerate(noisy.labels))
    (tmp_path / "given.csv").write_text(text)
    (tmp_path / "plain.csv").write_text("".join(f"{label}\n" for label in noisy.labels))
    np.save(tmp_path / "given.npy", noisy.labels.astype(np.float32))
    for options in ({"file": "given.csv"}, {"file": "plain.csv"}, {"file": "given.npy"}):
        options["file"] = str(tmp_path / options["file"])
        assert make_noise(TOY, "labels_file", 0.0, options, 5).fingerprint == noisy.fingerprint
    third = make_noise(TOY, "labels_file", 0.0, {"file": str(tmp_path / "given.csv"), "key": "worst"}, 0)
    assert (third.labels == 3).all() and "cannot be learnt" in third.warnings[0]


def test_resolved_options_follow_the_content_of_a_file(matrix_file: Path) -> None:
    first = resolve_options(TOY, "matrix", {"file": str(matrix_file)})
    assert resolve_options(TOY, "matrix", first) == first
    copy = matrix_file.with_name("copy.npy")
    copy.write_bytes(matrix_file.read_bytes())
    second = resolve_options(TOY, "matrix", {"file": str(copy)})
    assert stream_seed(TOY, "matrix", 0.0, first, 0) == stream_seed(TOY, "matrix", 0.0, second, 0)
    np.save(matrix_file, np.eye(10))
    with pytest.raises(DataError, match="has changed since the run was planned"):
        make_noise(TOY, "matrix", 0.0, first, 0)
