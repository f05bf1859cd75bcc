"""CIFAR-10N and CIFAR-100N: labels that people gave to CIFAR's training images (Wei et al., ICLR 2022, 2110.12088).

They come as the authors' torch file or as a plain .npz with the same keys, and are noise models of `cifar10` and
`cifar100`. The labels are published, so they are known by their hash; whatever the seed, they are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from datasets import noise_files, text_files
from datasets.base import DataError, DataSet, IntArray

CLEAN = "clean_label"
FOLDERS = ("cifar-n", "", "CIFAR-N", "cifar-10-100n/data", "data")  # where, below the data directory, in this order
FILES = {"cifar10": ("cifar10n.npz", "CIFAR-10_human.pt"), "cifar100": ("cifar100n.npz", "CIFAR-100_human.pt")}
SOURCE = "https://github.com/UCSC-REAL/cifar-10-100n"


@dataclass(frozen=True)
class Published:
    """A published set of labels: its data set, its key in the file, and the SHA-256 of its labels as int64."""

    dataset: str
    key: str
    title: str
    sha256: str


LABELS: dict[str, Published] = {
    "cifar10n_aggregate": Published(
        "cifar10",
        "aggre_label",
        "CIFAR-10N aggregate",
        "b3c3d486d22c3055756e7b1b1a0e98b099c1d68b771633023b0f76fa2e09ede6",
    ),
    "cifar10n_random1": Published(
        "cifar10",
        "random_label1",
        "CIFAR-10N random 1",
        "b5dc9007ae247a48ce267bec37a1310b0cd65ed73801ca7e595fb954902575a7",
    ),
    "cifar10n_random2": Published(
        "cifar10",
        "random_label2",
        "CIFAR-10N random 2",
        "1182c45d3a24636640fe1e3743b9566b6fabe86b2ed14f6b8216799e209a0d4e",
    ),
    "cifar10n_random3": Published(
        "cifar10",
        "random_label3",
        "CIFAR-10N random 3",
        "b51e116c617ded2c98be095ba8b3abae8adfa6caa54f7f6eedf50c7aed013d44",
    ),
    "cifar10n_worst": Published(
        "cifar10", "worse_label", "CIFAR-10N worst", "a64d887522cf6d8f4966912a1536ea2d890600929a8465a7f307cdca2501847b"
    ),
    "cifar100n_noisy": Published(
        "cifar100", "noisy_label", "CIFAR-100N", "4a1efd5da7a214b299cf6ac0bafe3f0d48c065b7aa2d40aa185d4711714bb311"
    ),
}


def locate(dataset: str, root: Path) -> Path:
    """The file of human labels below `root`. Raises DataError, one line that says where it may lie."""
    for folder in FOLDERS:
        for name in FILES[dataset]:
            if (root / folder / name).is_file():
                return root / folder / name
    names = " or ".join(FILES[dataset])
    raise DataError(f"{dataset}: no human labels under {root}: put {names} (from {SOURCE}) into {root / FOLDERS[0]}")


def _read_torch(path: Path) -> Mapping[str, Any]:
    """The dictionary in the authors' torch file, which is a pickle: nothing but NumPy's plain arrays is admitted."""
    import torch

    reconstruct: Any = np.zeros(1).__reduce__()[0]
    admitted: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [np.ndarray, np.dtype]
    admitted += [(reconstruct, f"{module}.multiarray._reconstruct") for module in ("numpy.core", "numpy._core")]
    admitted += [type(np.dtype(kind)) for kind in ("uint8", "int32", "int64")]
    try:
        with torch.serialization.safe_globals(admitted):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        # torch's own words advise to load what it refuses
        reason = text_files.other_file(path) or "it is damaged, or holds more than plain arrays"
        raise DataError(f"{path}: not a file of labels: {reason} (it is at {SOURCE})") from None
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    if not isinstance(held, dict):
        raise DataError(f"{path}: holds no dictionary of labels")
    return held


def _read(path: Path, keys: Iterable[str], num_samples: int, num_classes: int) -> list[IntArray]:
    """The labels under `keys`, [N] int64 each."""
    if path.suffix == ".npz":
        return [noise_files.read_labels(path, key, num_samples, num_classes) for key in keys]
    held = _read_torch(path)
    label_sets = []
    for key in keys:
        if not isinstance(held.get(key), np.ndarray):
            raise DataError(f"{path}: no labels {key!r} (it holds: {', '.join(map(str, held))})")
        label_sets.append(noise_files.checked_labels(held[key], path, num_samples, num_classes))
    return label_sets


def labels(dataset: DataSet, model: str) -> IntArray:
    """[N] int64: the published labels `model` of the training set, in its order.

    Raises DataError where there is no file, where the file's clean labels are not those of the data set in its order,
    and where its labels are not the published ones.
    """
    published = LABELS[model]
    if dataset.root is None:
        raise DataError(f"noise {model!r}: {dataset.name!r} was not read from a data directory")
    path = locate(published.dataset, dataset.root)
    clean, given = _read(path, (CLEAN, published.key), dataset.num_train, dataset.num_classes)
    true = dataset.train.labels
    if not np.array_equal(clean, true):
        same = np.array_equal(np.bincount(clean, minlength=1), np.bincount(true, minlength=1))
        other = "its images stand in another order" if same else "it belongs to other images"
        row = int(np.flatnonzero(clean != true)[0])
        raise DataError(f"{path}: the clean labels are not those of {dataset.name} (first at image {row}): {other}")
    if hashlib.sha256(given.astype("<i8").tobytes()).hexdigest() != published.sha256:
        raise DataError(
            f"{path}: {published.key!r} is not as published; labels of your own are the noise model 'labels_file'"
        )
    return given
