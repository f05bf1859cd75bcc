"""Noise: what warns, and what is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_data
from toy_data import TOY

from datasets import cifar, registry
from datasets.base import DataError
from datasets.noise import check_noise, make_noise, title


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
        ("labels_file", 0.0, {"file": "absent.npz", "key": 0.5}, "option 'key' = 0.5"),
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
        check_noise(registry.info("digits"), "asymmetric_superclass", 0.4, {})


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


def test_npz_with_several_arrays_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several arrays, so a key is needed .accepted: worst, clean"):
        check_noise(TOY, "labels_file", 0.0, {"file": str(toy_data.write_labels(tmp_path))})
    with pytest.raises(DataError, match=r"no array 'best' .accepted: worst, clean"):
        check_noise(TOY, "labels_file", 0.0, {"file": str(toy_data.write_labels(tmp_path)), "key": "best"})
