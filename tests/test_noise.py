"""Noise models: pinned labels, rates, matrices against those of published code, warnings, and bad specifications."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bench.commands import noise as noise_command
from datasets import cifar, noise_draw, noise_instance, noise_maps, registry
from datasets.base import DataError, DataSet, Images
from datasets.noise import NOISE_MODELS, check_noise, make_noise, resolve_options, stream_seed, title, transition
from datasets.randomness import integers

PER_CLASS = 200
SAMPLED = [name for name, info in NOISE_MODELS.items() if "sampling" in info.options]


def _toy(name: str = "toy", image_seed: int = 1) -> DataSet:
    """2,000 images of 4x4 grey pixels, ten classes one after the other round and round, two superclasses."""
    labels = np.arange(10 * PER_CLASS, dtype=np.int64) % 10
    pixels = integers(image_seed, len(labels) * 16, 256).astype(np.uint8).reshape(-1, 4, 4, 1)
    return DataSet(
        name=name,
        version=1,
        train=Images(pixels, labels),
        test=Images(pixels[:10], labels[:10]),
        class_names=tuple("abcdefghij"),
        mean=(0.5,),
        std=(0.25,),
        asymmetric_map={2: 0, 3: 5, 4: 7, 5: 3, 9: 1},
        superclass=(0, 1, 0, 1, 0, 1, 0, 1, 0, 1),
    )


TOY = _toy()


@pytest.fixture
def matrix_file(tmp_path: Path) -> Path:
    matrix = 0.7 * np.eye(10) + 0.2 * np.roll(np.eye(10), 1, axis=1) + 0.1 * np.roll(np.eye(10), 3, axis=1)
    path = tmp_path / "chain.npy"
    np.save(path, matrix)
    return path


@pytest.fixture
def labels_file(tmp_path: Path) -> Path:
    path = tmp_path / "given.npz"
    given = TOY.train.labels.copy()
    given[:300] = 7
    np.savez(path, worst=given.astype(np.uint8), clean=TOY.train.labels.astype(np.uint8))
    return path


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


@pytest.mark.parametrize("model", NOISE_MODELS)
def test_fingerprints_are_pinned(model: str, matrix_file: Path, labels_file: Path) -> None:
    options: dict[str, Any] = {
        "matrix": {"file": str(matrix_file)},
        "labels_file": {"file": str(labels_file), "key": "worst"},
    }.get(model, {})
    noisy = make_noise(TOY, model, 0.4 if NOISE_MODELS[model].takes_rate else 0.0, options, seed=0)
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
    other_images = replace(_toy(image_seed=9), test=Images(TOY.test.pixels[:3], TOY.test.labels[:3]), mean=(0.1,))
    np.random.seed(0)
    again = make_noise(other_images, "symmetric", 0.4, {"sampling": "exact"}, 3)
    assert again.fingerprint == reference.fingerprint
    others = [
        make_noise(TOY, "symmetric", 0.4, {}, 4),
        make_noise(_toy("other"), "symmetric", 0.4, {}, 3),
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


# ---- instance-dependent noise ----------------------------------------------------------------------------------------


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
    assert noisy.fingerprint != make_noise(_toy(image_seed=2), "instance_dependent", 0.4, {}, 0).fingerprint
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


# ---- warnings and bad specifications ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "fine", "lost"),
    [
        ("pair_flip", 0.49, 0.5),
        ("asymmetric", 0.49, 0.5),
        ("asymmetric_in_place", 0.49, 0.51),
        ("asymmetric_block_of_five", 0.49, 0.5),
        ("asymmetric_superclass", 0.49, 0.5),
        ("asymmetric_random_pair", 0.49, 0.5),
        ("symmetric", 0.99, 1.0),
        ("symmetric_excluding", 0.89, 0.9),
        ("instance_dependent", 0.49, 0.5),
    ],
)
def test_rates_beyond_learning_warn(model: str, fine: float, lost: float) -> None:
    assert check_noise(TOY, model, fine, {}) == ()
    (warning,) = check_noise(TOY, model, lost, {})
    assert "cannot be learnt" in warning and "\n" not in warning and warning.startswith(title(model, lost, {}))
    assert make_noise(TOY, model, lost, {}, 0).warnings == (warning,)


def test_truncation_that_moves_the_rate_warns() -> None:
    (warning,) = check_noise(TOY, "instance_dependent", 0.1, {})
    assert "flips 12.9% of the labels" in warning
    assert make_noise(TOY, "instance_dependent", 0.1, {}, 0).expected_rate == pytest.approx(0.1288, abs=1e-4)


def test_check_accepts_what_is_known_without_data() -> None:
    assert check_noise(cifar.CIFAR100, "asymmetric_superclass", 0.4, {}) == ()
    assert check_noise(cifar.CIFAR10, "asymmetric", 0.4, {"sampling": "per_sample"}) == ()


@pytest.mark.parametrize(
    ("model", "rate", "options", "match"),
    [
        ("symetric", 0.4, {}, "unknown noise model 'symetric'; did you mean 'symmetric'"),
        ("symmetric", 1.1, {}, r"rate = 1.1: must be a number in \[0, 1\]"),
        ("symmetric", -0.1, {}, "rate = -0.1"),
        ("symmetric", float("nan"), {}, "rate = nan"),
        ("symmetric", "0.4", {}, "rate = '0.4'"),
        ("symmetric", True, {}, "rate = True"),
        ("clean", 0.4, {}, "takes no rate"),
        ("symmetric", 0.4, {"smapling": "exact"}, "unknown option 'smapling'; did you mean 'sampling'"),
        ("symmetric", 0.4, {"sampling": "twice"}, "accepted: exact, exact_per_class, per_sample"),
        ("symmetric", 0.4, {"sampling": ["exact"]}, "accepted: exact, exact_per_class, per_sample"),
        ("clean", 0.0, {"sampling": "exact"}, "unknown option 'sampling' .accepted: none"),
        ("instance_dependent", 0.4, {"std": 0}, "option 'std' = 0"),
        ("instance_dependent", 0.4, {"std": "x"}, "option 'std' = 'x'"),
        ("instance_dependent", 0.4, {"pixels": "half"}, "accepted: raw, unit"),
        ("matrix", 0.0, {}, "option 'file' must name a file"),
        ("matrix", 0.0, {"file": "absent.npy"}, "absent.npy: no such file"),
        ("matrix", 0.0, {"file": "absent.txt"}, "must be a file ending in .npy, .npz, .csv, .json"),
        ("labels_file", 0.0, {"file": "absent.npz"}, "absent.npz: no such file"),
        ("labels_file", 0.0, {"file": "absent.npz", "key": 3}, "option 'key' = 3"),
    ],
)
def test_bad_specifications(model: str, rate: Any, options: dict[str, Any], match: str) -> None:
    for refuse in (lambda: check_noise(TOY, model, rate, options), lambda: make_noise(TOY, model, rate, options, 0)):
        with pytest.raises(DataError, match=match) as caught:
            refuse()
        assert "\n" not in str(caught.value)


def test_data_sets_that_lack_what_a_model_needs() -> None:
    bare = replace(TOY, asymmetric_map=None, superclass=None, class_names=TOY.class_names[:7])
    for model, match in [
        ("asymmetric", "'toy' has no map"),
        ("asymmetric_in_place", "'toy' has no map"),
        ("asymmetric_superclass", "'toy' has no superclasses"),
        ("asymmetric_block_of_five", "7 classes, which make no blocks of five"),
        ("asymmetric_random_pair", "7 classes, which make no blocks of five"),
    ]:
        with pytest.raises(DataError, match=match):
            check_noise(bare, model, 0.4, {})
    with pytest.raises(DataError, match="'digits' has no superclasses"):
        check_noise(registry.DATASETS["digits"], "asymmetric_superclass", 0.4, {})


def _rows(change: dict[tuple[int, int], float], size: int = 10) -> np.ndarray:
    matrix = np.eye(size)
    for place, value in change.items():
        matrix[place] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (_rows({(3, 3): 0.9}), "row 3 sums to 0.9; rows .true class. must sum to one"),
        (_rows({(2, 2): 1.5, (2, 3): -0.5}), "finite and not negative"),
        (_rows({(2, 2): np.nan}), "finite and not negative"),
        (np.eye(9), "is 9 x 9, expected 10 x 10"),
        (np.ones(10) / 10, "is 10, expected 10 x 10"),
    ],
)
def test_matrices_that_are_none(tmp_path: Path, matrix: np.ndarray, match: str) -> None:
    np.save(tmp_path / "m.npy", matrix)
    with pytest.raises(DataError, match=match):
        check_noise(TOY, "matrix", 0.0, {"file": str(tmp_path / "m.npy")})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.npy", b""),
        ("m.npy", b"\x93NUMPY garbage"),
        ("m.npz", b"PK\x03\x04 garbage"),
        ("m.npz", b"\x80\x04N."),
        ("m.json", b"{"),
        ("m.json", b"\xff\xfe"),
        ("m.json", b'[["a"]]'),
        ("m.json", b"[[1, 0], [1]]"),
        ("m.csv", b"a,b\n1,2\n"),
        ("m.csv", b"\xff\xfe\x00"),
    ],
)
def test_matrix_files_that_are_none(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as caught:
        check_noise(TOY, "matrix", 0.0, {"file": str(tmp_path / name)})
    assert "\n" not in str(caught.value)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for model in ("matrix", "labels_file"):
        with pytest.raises(DataError, match="not a NumPy file of plain numbers"):
            check_noise(TOY, model, 0.0, {"file": str(tmp_path / "m.npy")})


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.zeros(1999, np.int64), "holds 1999 labels, expected 2000"),
        (np.zeros((2000, 1), np.int64), "holds 2000 x 1 labels"),
        (np.full(2000, 10), "labels run from 10 to 10, expected classes 0 to 9"),
        (np.full(2000, -1), "labels run from -1 to -1"),
        (np.full(2000, 0.5), "whole numbers"),
        (np.full(2000, np.nan), "whole numbers"),
        (np.full(2000, "cat"), "whole numbers"),
        (np.zeros(2000, bool), "whole numbers"),
    ],
)
def test_label_files_that_do_not_fit(tmp_path: Path, labels: np.ndarray, match: str) -> None:
    path = tmp_path / "given.npz"
    np.savez(path, labels=labels)
    with pytest.raises(DataError, match=match) as caught:
        make_noise(TOY, "labels_file", 0.0, {"file": str(path)}, 0)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key", "match"),
    [
        ("", None, "holds no labels"),
        ("a,b\n1,2\n", None, "several columns, so a key is needed .accepted: a, b"),
        ("a,b\n1,2\n", "c", "no column 'c' .accepted: a, b"),
        ("1\n2\n", "c", "no column 'c' .accepted: no header line"),
        ("a,label\n1,2\n3\n", None, "rows of unequal length"),
        ("label\ncat\n", None, "whole numbers"),
        ("label\n1\n", None, "holds 1 labels, expected 2000"),
    ],
)
def test_csv_labels_that_do_not_fit(tmp_path: Path, text: str, key: str | None, match: str) -> None:
    path = tmp_path / "given.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        check_noise(TOY, "labels_file", 0.0, {"file": str(path), "key": key})


def test_npz_with_several_arrays_needs_a_key(labels_file: Path) -> None:
    with pytest.raises(DataError, match=r"several arrays, so a key is needed .accepted: worst, clean"):
        check_noise(TOY, "labels_file", 0.0, {"file": str(labels_file)})
    with pytest.raises(DataError, match=r"no array 'best' .accepted: worst, clean"):
        check_noise(TOY, "labels_file", 0.0, {"file": str(labels_file), "key": "best"})


# ---- titles and the command ------------------------------------------------------------------------------------------


def test_titles() -> None:
    assert title("symmetric", 0.5, {"sampling": "exact"}) == "symmetric 50%"
    assert title("symmetric", 0.125, {}) == "symmetric 12.5%"
    assert title("pair_flip", 0.45, {"sampling": "per_sample"}) == "pair flip 45%, per sample"
    assert title("instance_dependent", 0.4, {"std": 0.2, "pixels": "unit"}) == "instance-dependent 40%, unit, std 0.2"
    assert title("matrix", 0.0, {"file": "a/chain.npy"}) == "matrix chain"
    assert title("labels_file", 0.0, {"file": "cifar10n.npz", "key": "worse"}) == "labels cifar10n:worse"
    assert title("clean", 0.0, {}) == "clean"


def _noise(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(noise_command.noise)
    return CliRunner().invoke(app, list(arguments))


def test_command_writes_labels_that_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "noisy.npz"
    result = _noise("digits", "symmetric", "0.5", "--seed", "1", "--out", str(path))
    assert result.exit_code == 0, result.output
    clean = registry.load("digits")
    noisy = make_noise(clean, "symmetric", 0.5, {}, 1)
    assert f"symmetric 50%, {100 * noisy.actual_rate:.1f}% wrong" in result.output
    assert noisy.fingerprint in result.output
    with np.load(path) as held:
        assert (held["labels"] == noisy.labels).all() and (held["true_labels"] == clean.train.labels).all()
        assert str(held["fingerprint"]) == noisy.fingerprint and (held["matrix"] == noisy.matrix).all()
    assert [file.name for file in path.parent.iterdir()] == ["noisy.npz"]
    again = make_noise(clean, "labels_file", 0.0, {"file": str(path)}, 0)
    assert again.fingerprint == noisy.fingerprint


def test_command_takes_options_and_warns(tmp_path: Path) -> None:
    path = tmp_path / "noisy.npz"
    result = _noise("digits", "pair_flip", "0.6", "--set", "sampling=per_sample", "--out", str(path))
    assert result.exit_code == 0, result.output
    assert "warning: pair flip 60%, per sample: 10 of 10 classes" in result.output
    expected = make_noise(registry.load("digits"), "pair_flip", 0.6, {"sampling": "per_sample"}, 0)
    assert expected.fingerprint in result.output
