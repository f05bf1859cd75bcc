"""Noise by a transition matrix of the user's."""

from __future__ import annotations

from pathlib import Path

from datasets import noise_draw, noise_files
from datasets.base import DataSet, FloatArray, IntArray
from datasets.noise_contract import FILE, Facts, NoiseInfo, NoisePlugin, Options, Uniforms


def _read(path: Path, options: Options, facts: Facts) -> FloatArray:
    return noise_files.read_matrix(path, facts.num_classes)


def _draw(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
    return noise_draw.from_matrix(dataset.train.labels, options["content"], uniforms.seed)


def _expected(facts: Facts, rate: float, options: Options) -> FloatArray:
    matrix: FloatArray = options["content"]
    return matrix


MATRIX = NoisePlugin(
    NoiseInfo(
        "matrix",
        "matrix {file}",
        "each row's label is drawn from its class's row of the transition matrix in a .npy, .npz, .csv or .json file",
        {"file": FILE},
        takes_rate=False,
    ),
    draw=_draw,
    expected=_expected,
    read=_read,
)
