"""The command `noise`, and the titles of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import typer
from typer.testing import CliRunner

from bench.commands import noise as noise_command
from datasets import registry
from datasets.noise import make_noise, title


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
