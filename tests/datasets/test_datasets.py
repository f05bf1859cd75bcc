"""Data sets: what loading returns, and what it refuses."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import miniature_cifar
import numpy as np
import pytest
import typer
from command_line import HOME
from typer.testing import CliRunner

from bench.commands import data as data_command
from datasets import cifar, digits, registry
from datasets.base import DataError
from datasets.pickles import read_pickle
from datasets.randomness import derive_seed, integers, normals, permutation, uniforms

PINNED_SEED = 307597657040430196005051292563062541255
PINNED_UNIFORMS = [0.5294383806615731, 0.30130105037788, 0.27410312043124274]
PINNED_ORDER = [5, 4, 2, 1, 3, 0]
PINNED_NORMALS = [0.0738581721682442, -0.5206622148458091, -0.6004501996014943]
PINNED_DIGITS_TEST = "313732b14b6d07f7c04439fe1e099df86664a81d807c6edfa0ad7224f39a50e1"


# ---- randomness ------------------------------------------------------------------------------------------------------


def test_randomness_is_pinned() -> None:
    seed = derive_seed(0, "digits", "noise")
    assert seed == PINNED_SEED
    assert uniforms(seed, 3).tolist() == PINNED_UNIFORMS
    assert permutation(seed, 6).tolist() == PINNED_ORDER
    assert np.allclose(normals(seed, 3), PINNED_NORMALS, rtol=0, atol=1e-12)


def test_seeds_differ_by_every_part_and_its_type() -> None:
    seeds = {derive_seed(*parts) for parts in [(0, "a"), (1, "a"), (0, "b"), ("0", "a"), (0, "a", ""), ("0,a",)]}
    assert len(seeds) == 6


def test_randomness_has_the_right_distributions() -> None:
    drawn = uniforms(5, 200_000)
    assert drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.003 and abs(drawn.var() - 1 / 12) < 0.001
    counts = np.bincount(integers(6, 100_000, 7), minlength=7)
    assert len(counts) == 7 and abs(counts / 100_000 - 1 / 7).max() < 0.005
    gauss = normals(7, 200_000)
    assert np.isfinite(gauss).all() and abs(gauss.mean()) < 0.01 and abs(gauss.std() - 1) < 0.01
    assert sorted(permutation(8, 1000).tolist()) == list(range(1000))


# ---- digits and the registry -----------------------------------------------------------------------------------------


def test_digits_split_is_fixed() -> None:
    held = digits.load()
    assert held.train.pixels.shape == (1397, 8, 8, 1) and held.test.pixels.shape == (400, 8, 8, 1)
    assert held.train.pixels.dtype == np.uint8 and held.train.labels.dtype == np.int64
    assert np.bincount(held.test.labels).tolist() == [40] * 10
    assert held.train.pixels.min() == 0 and held.train.pixels.max() == 255
    digest = hashlib.sha256(held.test.pixels.tobytes() + held.test.labels.astype("<i8").tobytes()).hexdigest()
    assert digest == PINNED_DIGITS_TEST


def test_digits_train_and_test_are_the_whole_table() -> None:
    from sklearn.datasets import load_digits

    table = load_digits()
    rows = digits.test_rows(np.asarray(table.target, dtype=np.int64))
    held = digits.load()
    rest = np.setdiff1d(np.arange(1797), rows)
    assert len(rows) == 400 and held.test.labels.tolist() == table.target[rows].tolist()
    assert held.train.labels.tolist() == table.target[rest].tolist()
    assert np.abs(held.train.pixels[..., 0] / 255 * 16 - table.images[rest]).max() < 0.04


def test_digits_do_not_import_the_package_but_where_its_file_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; from datasets import digits; digits.load(); print('sklearn' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
    held = digits.load()
    monkeypatch.setattr(digits, "_FILE", "absent")
    again = digits.load()
    assert np.array_equal(held.train.pixels, again.train.pixels) and np.array_equal(held.test.labels, again.test.labels)


def test_digits_statistics_are_those_of_the_training_images() -> None:
    scaled = digits.load().train.pixels / 255.0
    assert scaled.mean() == pytest.approx(digits.INFO.mean[0], abs=1e-4)
    assert scaled.std() == pytest.approx(digits.INFO.std[0], abs=1e-4)


@pytest.mark.parametrize("described", [entry.info for entry in registry.DATASETS], ids=lambda info: info.name)
def test_described_data_sets_are_consistent(described: Any) -> None:
    channels = described.image_shape[2]
    if described.class_names:  # else a file of the data set gives them
        assert len(described.class_names) == len(set(described.class_names)) == described.num_classes
    assert len(described.mean) == len(described.std) == channels
    for source, goal in (described.asymmetric_map or {}).items():
        assert 0 <= source < described.num_classes and 0 <= goal < described.num_classes and source != goal
    if described.superclass is not None:
        assert np.bincount(described.superclass).tolist() == [5] * 20


def test_unknown_data_set_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match="unknown data set 'cifar01'; did you mean 'cifar10'"):
        registry.load("cifar01")


def test_default_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOISY_BENCH_DATA", str(tmp_path))
    assert registry.default_root() == tmp_path
    monkeypatch.delenv("NOISY_BENCH_DATA")
    assert registry.default_root().name == "noisy-label-bench"


def test_data_modules_do_not_import_torch() -> None:
    modules = "datasets.registry, datasets.noise, datasets.fetch, bench.commands.data, bench.commands.noise"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=HOME, check=False).returncode == 0


# ---- pickles ---------------------------------------------------------------------------------------------------------


class _Attack:
    """A pickle of this runs a shell command when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


class _Evaluate(_Attack):
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({str(self.marker)!r}, 'w')",)


@pytest.mark.parametrize("attack", [_Attack, _Evaluate])
@pytest.mark.parametrize("protocol", range(6))
def test_hostile_pickle_does_not_run(tmp_path: Path, attack: type[_Attack], protocol: int) -> None:
    marker = tmp_path / "executed"
    hostile = pickle.dumps({"data": attack(marker)}, protocol=protocol)
    with pytest.raises(DataError, match="which a data file has no use for"):
        read_pickle(hostile, tmp_path / "file")
    assert not marker.exists()
    pickle.loads(hostile)  # the control: the same bytes do run where nothing stops them
    assert marker.exists()


def test_hostile_pickle_by_old_opcodes_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    hostile = f"(S\"touch '{marker}'\"\nios\nsystem\n.".encode()  # INST
    with pytest.raises(DataError):
        read_pickle(hostile, tmp_path / "file")
    assert not marker.exists()
    pickle.loads(hostile)
    assert marker.exists()


@pytest.mark.parametrize(
    "refused",
    [
        np.array([object()], dtype=object),
        np.zeros(3, dtype=np.float64),
        np.zeros(2, dtype=[("a", "u1")]),
        np.float64(1.0),
        Path("x"),
        {"a": complex(1, 2)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_byte_arrays_and_containers_are_read(refused: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a data file"):
        read_pickle(pickle.dumps(refused, protocol=2), tmp_path / "file")


@pytest.mark.parametrize(
    "call", [b"cnumpy\nndarray\n((I5\ntR.", b"cnumpy\nndarray\n)\x81.", b"cnumpy\ndtype\n(S'O'\ntR."]
)
def test_admitted_names_cannot_be_turned_to_other_uses(call: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_pickle(call, tmp_path / "file")


def test_plain_content_is_read(tmp_path: Path) -> None:
    held = {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 2], "names": ["a", "b"]}
    for protocol in (3, 4):
        found = read_pickle(pickle.dumps(held, protocol=protocol), tmp_path / "file")
        assert found["data"].tolist() == held["data"].tolist() and found["data"].dtype == np.uint8
        assert found["labels"] == [1, 2] and found["names"] == ["a", "b"]


# ---- CIFAR -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a miniature CIFAR-10, which counts as the official one."""
    files = miniature_cifar.contents()
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", miniature_cifar.layout(files))
    miniature_cifar.write(tmp_path / "cifar-10-batches-py", files)
    return tmp_path


def test_miniature_is_read_in_order_and_orientation(miniature: Path) -> None:
    held = registry.load("cifar10", miniature)
    assert held.train.pixels.shape == (100, 32, 32, 3) and held.test.pixels.shape == (10, 32, 32, 3)
    assert held.train.labels.tolist() == [i % 10 for i in range(100)]
    assert held.train.pixels[57, 3, 5].tolist() == [57, 103, 205]
    assert held.train.pixels.flags.c_contiguous and held.train.labels.dtype == np.int64
    registry.verify("cifar10", miniature)


def test_data_directory_may_be_the_folder_itself(miniature: Path) -> None:
    held = registry.load("cifar10", miniature / "cifar-10-batches-py")
    assert held.num_train == 100


def _one_line(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        registry.load("cifar10", root)
    text = str(caught.value)
    with pytest.raises(DataError) as verified:
        registry.verify("cifar10", root)
    assert str(verified.value) == text, "what `run` looks for before it starts is what loading would find"
    assert "\n" not in text
    assert f"python run_benchmark.py data fetch cifar10 --data {root}" in text
    assert str(root / "cifar-10-batches-py") in text
    return text


def test_absent_data_say_what_to_run(tmp_path: Path) -> None:
    assert "not found under" in _one_line(tmp_path)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_damaged_files_say_what_to_run(miniature: Path, name: str) -> None:
    path = miniature / "cifar-10-batches-py" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert f"{name} is truncated" in _one_line(miniature)
    path.write_bytes(whole[:-7] + b"changed")
    assert f"{name} has the wrong MD5" in _one_line(miniature)
    path.write_bytes(b"")
    assert f"{name} is truncated" in _one_line(miniature)
    path.unlink()
    assert f"{name} is missing" in _one_line(miniature)
    path.mkdir()
    assert f"{name} cannot be read" in _one_line(miniature)


def test_hostile_file_in_place_of_an_official_one_does_not_run(
    miniature: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = miniature / "executed"
    hostile = pickle.dumps(_Attack(marker), protocol=2)
    hostile += b"\0" * 100_000  # bytes after the end of a pickle are not looked at; it is now longer than the file
    (miniature / "cifar-10-batches-py" / "data_batch_1").write_bytes(hostile)
    assert "data_batch_1 has the wrong MD5" in _one_line(miniature)
    # and were its MD5 the published one, it still would not run
    files = miniature_cifar.contents() | {"data_batch_1": hostile}
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", miniature_cifar.layout(files))
    with pytest.raises(DataError, match="which a data file has no use for"):
        registry.load("cifar10", miniature)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("held", "match"),
    [
        ([1, 2], "no dictionary"),
        ({"data": np.zeros((20, 3072), np.uint8)}, "not one class for each image"),
        ({"data": np.zeros((20, 3072), np.uint8), "labels": [0] * 19}, "not one class for each image"),
        ({"data": np.zeros((20, 3072), np.uint8), "labels": [10] * 20}, "not one class for each image"),
        ({"data": np.zeros((20, 3071), np.uint8), "labels": [0] * 20}, "not a table of 3072 bytes"),
        ({"labels": [0] * 20}, "not a table of 3072 bytes"),
    ],
)
def test_files_of_another_shape_are_refused(
    miniature: Path, monkeypatch: pytest.MonkeyPatch, held: Any, match: str
) -> None:
    files = miniature_cifar.contents() | {"data_batch_2": pickle.dumps(held, protocol=3)}
    (miniature / "cifar-10-batches-py" / "data_batch_2").write_bytes(files["data_batch_2"])
    monkeypatch.setitem(cifar.LAYOUTS, "cifar10", miniature_cifar.layout(files))
    with pytest.raises(DataError, match=match):
        registry.load("cifar10", miniature)


def _check(*arguments: str) -> Any:
    return CliRunner().invoke(data_command.app, ["check", *arguments])


def test_data_check_tells_good_from_bad(miniature: Path) -> None:
    result = _check("cifar10", "--data", str(miniature))
    assert result.exit_code == 0 and "cifar10: ok" in result.output
    path = miniature / "cifar-10-batches-py" / "data_batch_4"
    path.write_bytes(path.read_bytes()[:100])
    result = _check("cifar10", "--data", str(miniature))
    assert result.exit_code == 1
    assert "data_batch_4: is truncated (100 of" in result.output and "data_batch_5: ok" in result.output
    assert f"data fetch cifar10 --data {miniature}" in result.output


def test_data_check_of_embedded_and_absent_data(tmp_path: Path) -> None:
    assert _check("digits").exit_code == 0
    result = _check("cifar10", "--data", str(tmp_path))
    assert isinstance(result.exception, DataError)


def test_data_commands_are_a_typer_app() -> None:
    assert isinstance(data_command.app, typer.Typer)


@pytest.mark.parametrize(("name", "classes", "per_class"), [("cifar10", 10, 5000), ("cifar100", 100, 500)])
def test_real_cifar(cifar_root: Path, name: str, classes: int, per_class: int) -> None:
    held = registry.load(name, cifar_root)
    assert held.train.pixels.shape == (50_000, 32, 32, 3) and held.test.pixels.shape == (10_000, 32, 32, 3)
    assert np.bincount(held.train.labels).tolist() == [per_class] * classes
    assert np.bincount(held.test.labels).tolist() == [per_class // 5] * classes
    # the field's constants have three or four digits
    means = held.train.pixels.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
    assert np.abs(means - held.mean).max() < 6e-4
    if held.superclass is not None:
        content = (cifar_root / "cifar-100-python" / "test").read_bytes()
        raw = read_pickle(content, cifar_root / "cifar-100-python" / "test")
        assert [held.superclass[fine] for fine in raw["fine_labels"]] == raw["coarse_labels"]
