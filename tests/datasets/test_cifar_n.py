"""CIFAR's human labels: read from either file, compared with the images' order and the published hashes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import HOME
from rich.console import Console

from bench.commands import data as data_command
from bench.planning import spec, suite
from datasets import cifar_n, registry
from datasets.base import DataError, DataSet
from datasets.noise import check_noise, make_noise
from tests.toy_data import toy

KEYS = ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3")
# share of wrong labels as the authors' README and files give it
RATES = {
    "cifar10n_aggregate": 0.0901, "cifar10n_random1": 0.17234, "cifar10n_random2": 0.18122,
    "cifar10n_random3": 0.1764, "cifar10n_worst": 0.40208, "cifar100n_noisy": 0.402,
}  # fmt: skip


def given(true: np.ndarray, key: str) -> np.ndarray:
    shift = np.zeros_like(true)
    shift[: 100 * (1 + KEYS.index(key))] = 1
    return (true + shift) % 10


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Toy data called cifar10, whose human labels are "published" with hashes of their own."""
    dataset = replace(toy("cifar10"), root=tmp_path)
    true = dataset.train.labels
    hashes = {key: hashlib.sha256(given(true, key).astype("<i8").tobytes()).hexdigest() for key in KEYS}
    for name, published in list(cifar_n.LABELS.items()):
        if published.dataset == "cifar10":
            monkeypatch.setitem(cifar_n.LABELS, name, replace(published, sha256=hashes[published.key]))
    return dataset


def contents(true: np.ndarray, kind: Any = np.int64) -> dict[str, np.ndarray]:
    return {"clean_label": true.astype(kind), **{key: given(true, key).astype(kind) for key in KEYS}}


def write(root: Path, held: Any, form: str) -> Path:
    folder = root / "cifar-n"
    folder.mkdir(exist_ok=True)
    if form == "npz":
        np.savez(folder / "cifar10n.npz", **held)
        return folder / "cifar10n.npz"
    torch.save(held, folder / "CIFAR-10_human.pt")
    return folder / "CIFAR-10_human.pt"


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("form", ["npz", "pt"])
def test_both_files_give_the_labels(small: DataSet, form: str, kind: Any) -> None:
    assert small.root is not None
    write(small.root, contents(small.train.labels, kind), form)
    for name, key in (("cifar10n_worst", "worse_label"), ("cifar10n_random3", "random_label3")):
        noisy = make_noise(small, name, 0.0, {}, seed=0)
        assert np.array_equal(noisy.labels, given(small.train.labels, key))
        assert noisy.actual_rate == noisy.expected_rate == pytest.approx(100 * (1 + KEYS.index(key)) / 2000)


def test_all_seeds_share_the_labels(small: DataSet) -> None:
    assert small.root is not None
    write(small.root, contents(small.train.labels), "npz")
    assert len({make_noise(small, "cifar10n_aggregate", 0.0, {}, seed).fingerprint for seed in range(3)}) == 1


@pytest.mark.parametrize("form", ["npz", "pt"])
def test_labels_in_another_order_or_of_other_images_are_refused(small: DataSet, form: str) -> None:
    assert small.root is not None
    true = small.train.labels
    shuffled = np.random.default_rng(0).permutation(len(true))
    write(small.root, {key: value[shuffled] for key, value in contents(true).items()}, form)
    with pytest.raises(DataError, match=r"first at image .*: its images stand in another order"):
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)
    write(small.root, {key: np.full_like(value, 3) for key, value in contents(true).items()}, form)
    with pytest.raises(DataError, match="it belongs to other images"):
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)


def test_changed_labels_are_refused(small: DataSet) -> None:
    assert small.root is not None
    held = contents(small.train.labels)
    held["worse_label"][1234] = (held["worse_label"][1234] + 1) % 10
    write(small.root, held, "npz")
    with pytest.raises(DataError, match=r"'worse_label' is not as published; labels of your own are .* 'labels_file'"):
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)
    make_noise(small, "cifar10n_random1", 0.0, {}, 0)


class Hostile:
    """A pickle that would run a command when it is read."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.proof}",)


def test_a_torch_file_cannot_run_code(small: DataSet, tmp_path: Path) -> None:
    assert small.root is not None
    proof = tmp_path / "it-ran"
    write(small.root, {**contents(small.train.labels), "extra": Hostile(proof)}, "pt")
    with pytest.raises(DataError, match=r"CIFAR-10_human.pt: not a file of labels"):
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("held", "line"),
    [
        ([1, 2, 3], "holds no dictionary"),
        ({"clean_label": np.zeros(2000, np.int64)}, "no labels 'worse_label' .it holds: clean_label"),
        ({"clean_label": np.zeros(7, np.int64), "worse_label": np.zeros(7, np.int64)}, "holds 7 labels, expected 2000"),
        ({"clean_label": torch.zeros(2000), "worse_label": torch.zeros(2000)}, "no labels 'clean_label'"),
        ({"clean_label": np.full(2000, 17), "worse_label": np.full(2000, 17)}, "run from 17 to 17, expected classes 0"),
        ({"clean_label": np.array(["a"] * 2000, object), "worse_label": 0}, "not a file of labels"),
    ],
)
def test_other_torch_files_are_refused_in_one_line(small: DataSet, held: Any, line: str) -> None:
    assert small.root is not None
    path = write(small.root, held, "pt")
    with pytest.raises(DataError, match=f"{path.name}: .*{line}") as fault:
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("form", ["npz", "pt"])
@pytest.mark.parametrize(
    ("content", "line"), [(b"<!DOCTYPE html><html></html>", "it is a web page"), (b"", "the file is empty")]
)
def test_what_stands_in_the_place_of_the_labels_is_told(small: DataSet, form: str, content: bytes, line: str) -> None:
    """And nobody is advised to load it all the same."""
    assert small.root is not None
    path = write(small.root, contents(small.train.labels), form)
    path.write_bytes(content)
    with pytest.raises(DataError, match=line) as refused:
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)
    assert "weights_only" not in str(refused.value) and "pickle" not in str(refused.value)


@pytest.mark.parametrize("form", ["npz", "pt"])
@pytest.mark.parametrize("left", [0, 10, 1000])
def test_a_truncated_file_is_refused_in_one_line(small: DataSet, form: str, left: int) -> None:
    assert small.root is not None
    path = write(small.root, contents(small.train.labels), form)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(DataError, match=path.name) as fault:
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)
    assert "\n" not in str(fault.value)


def test_a_missing_file_is_told_with_its_place(small: DataSet) -> None:
    with pytest.raises(
        DataError, match=r"no human labels under .*: put cifar10n.npz or CIFAR-10_human.pt .* into .*cifar-n"
    ):
        make_noise(small, "cifar10n_worst", 0.0, {}, 0)


def test_labels_of_another_data_set_are_refused_without_data() -> None:
    with pytest.raises(DataError, match="'cifar100n_noisy' exists for data set 'cifar100', not for 'cifar10'"):
        check_noise(registry.info("cifar10"), "cifar100n_noisy", 0.0, {})
    with pytest.raises(DataError, match="takes no rate"):
        check_noise(registry.info("cifar10"), "cifar10n_worst", 0.4, {})


def test_the_check_prints_rates_and_finds_faults(small: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert small.root is not None
    monkeypatch.setattr(registry, "load", lambda name, root: small)
    held = contents(small.train.labels)
    write(small.root, held, "pt")
    console = Console(record=True, width=200)
    assert data_command._check_human_labels(console, "cifar10n", small.root)
    assert "cifar10n_worst: 10.000% wrong" in (text := console.export_text()) and "cifar10n: ok" in text
    held["random_label2"][5] += 1
    write(small.root, held, "pt")
    assert not data_command._check_human_labels(console, "cifar10n", small.root)
    assert "'random_label2' is not as published" in console.export_text()


@pytest.mark.parametrize("name", ["cifar10n", "cifar100n", "cifar10n-lite", "cifar100n-lite"])
def test_suites_are_planned_without_the_labels(name: str) -> None:
    path = suite.locate(name)
    [part] = suite.parts(suite.read(path), str(path))
    cells, _ = spec.cells(part, str(path), "cpu", 2)
    assert {cell.spec.noise.model for cell in cells} <= set(cifar_n.LABELS)
    assert (part.purpose == "compare") == name.endswith("lite")


@pytest.fixture(scope="module")
def human_root(cifar_root: Path) -> Path:
    """The directory of the real human labels; the test is skipped where there is none."""
    for root in (cifar_root, HOME.parent / "shared" / "data"):
        if (root / "cifar-n" / "cifar10n.npz").is_file():
            return root
    pytest.skip("the real human labels are needed: no cifar-n/ below NOISY_BENCH_DATA")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_published_files_have_the_published_rates(cifar_root: Path, human_root: Path, name: str) -> None:
    dataset = replace(registry.load(name, cifar_root), root=human_root)
    for model, published in cifar_n.LABELS.items():
        if published.dataset == name:
            assert make_noise(dataset, model, 0.0, {}, 0).actual_rate == pytest.approx(RATES[model], abs=5e-6)
