"""Labels that nobody draws: the true ones, those that a data set comes with, and those of a user's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.files import expanded
from datasets import noise_files
from datasets.base import DataSet, FloatArray, IntArray
from datasets.noise_contract import FILE, KEY, Facts, NoiseInfo, NoisePlugin, Options, Uniforms


def _true(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
    return dataset.train.labels.copy()


def _identity(facts: Facts, rate: float, options: Options) -> FloatArray:
    return np.eye(facts.num_classes)


def _own(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
    assert dataset.given is not None
    return dataset.given.copy()


def _read(path: Path, options: Options, facts: Facts) -> IntArray:
    return noise_files.read_labels(path, options["key"], facts.num_train, facts.num_classes)


def _from_file(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
    if dataset.truth:
        noise_files.check_truth(expanded(options["file"]), dataset.train.labels)
    labels: IntArray = options["content"]
    return labels


CLEAN = NoisePlugin(
    NoiseInfo("clean", "clean", "the labels as they are", takes_rate=False, is_clean=True),
    draw=_true,
    expected=_identity,
)
LABELS_FILE = NoisePlugin(
    NoiseInfo(
        "labels_file",
        "labels {file}",
        "given labels from a .npy, .npz (key: array) or .csv (key: column) file, in the official training order",
        {"file": FILE, "key": KEY},
        takes_rate=False,
    ),
    draw=_from_file,
    read=_read,
)
OWN = NoisePlugin(
    NoiseInfo(
        "own",
        "own labels",
        "the noisy labels that the data set comes with",
        needs=frozenset({"own_labels"}),
        takes_rate=False,
        needs_truth=False,
    ),
    draw=_own,
)
