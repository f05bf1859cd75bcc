"""The data of one run: noisy labels on the whole official training set, then the subset, then the validation split."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.training.sampling import draw
from common.specification import Dataset, Specification
from datasets import registry
from datasets.base import DataError, DataSet, HeldOut, ImageSet
from datasets.data_contract import Choice
from datasets.noise import NoisyLabels, make_noise
from datasets.randomness import derive_seed, permutation

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RunData:
    """What a run trains and is measured on. `rows`: position of each training image in the official training set.

    redrawn: given labels of the training images in a further draw of the same noise, by its number (from 1); None:
    there is no other. trusted: images set aside with their true labels; None: the method is told none.
    """

    dataset: DataSet
    noise: NoisyLabels
    rows: IntArray
    train: ImageSet  # labels: the true ones, where they are known
    given: IntArray
    validation: HeldOut | None
    redrawn: Callable[[int], IntArray] | None = None
    trusted: ImageSet | None = None
    trusted_rows: IntArray = field(default_factory=lambda: np.arange(0))

    @property
    def train_rate(self) -> float | None:
        """Share of the training images whose given label is wrong; None where the true labels are not known."""
        return float((self.given != self.train.labels).mean()) if self.dataset.truth else None


@functools.lru_cache(maxsize=2)
def _dataset(name: str, root: Path | None, choice: Choice) -> DataSet:
    return registry.load(name, root, choice)


def choice_of(part: Dataset, skip_broken: bool) -> Choice:
    """How the data set of a specification is read."""
    return Choice(part.file, skip_broken, part.copies)


def subset_rows(name: str, count: int, size: int | None) -> tuple[IntArray, IntArray]:
    """The fixed subset's rows (ascending) and those outside it. It is drawn apart from every run seed."""
    if size is None:
        return np.arange(count), np.arange(0)
    order = permutation(derive_seed("subset", name), count)
    return np.sort(order[:size]), order[size:]


def _split(spec: Specification, inside: IntArray, outside: IntArray, classes: IntArray) -> tuple[IntArray, IntArray]:
    """Training rows and validation rows; an inside split is drawn by the run's seed, an outside one is fixed.

    classes: of all rows, which a stratified split goes by.
    """
    validation = spec.dataset.validation
    source, size = validation.source, validation.size
    if source not in ("inside", "outside"):
        return inside, np.arange(0)
    count = round(size * len(inside)) if size < 1 else int(size)
    if source == "outside":
        return inside, np.sort(outside[:count])
    order = permutation(derive_seed(spec.seed, spec.dataset.name, "split"), len(inside))
    if validation.stratified:
        order = by_class(order, classes[inside], count)
    return np.sort(inside[order[count:]]), np.sort(inside[order[:count]])


def by_class(order: IntArray, classes: IntArray, count: int) -> IntArray:
    """`order` with each class in proportion on the first `count` places, in the order in which they come.

    What is left over after whole images goes to the classes with the largest fractions, of equal ones to the first.
    """
    sizes = np.bincount(classes)
    exact = sizes * count / len(order)
    quota = np.floor(exact).astype(np.int64)
    quota[np.argsort(quota - exact, kind="stable")[: count - quota.sum()]] += 1
    ordered_classes = classes[order]
    before = np.empty(len(order), dtype=np.int64)  # how many of its class
    for label, size in enumerate(sizes):
        before[ordered_classes == label] = np.arange(size)
    first = before < quota[ordered_classes]
    return np.concatenate([order[first], order[~first]])


def _set_aside(spec: Specification, rows: IntArray, classes: IntArray) -> tuple[IntArray, IntArray]:
    """The rows that are left, and those whose true labels the method is told, drawn by the run's seed.

    classes: the true ones of all rows. Raises DataError where a class has too few.
    """
    trusted = spec.dataset.trusted
    if trusted is None:
        return rows, np.arange(0)
    order = permutation(derive_seed(spec.seed, spec.dataset.name, "trusted"), len(rows))
    if trusted.per_class:
        each = trusted.size // (int(classes.max()) + 1)
        drawn = [order[classes[rows[order]] == label][:each] for label in range(int(classes.max()) + 1)]
        if short := [label for label, members in enumerate(drawn) if len(members) < each]:
            raise DataError(f"{spec.dataset.name}: class {short[0]} has fewer than {each} images to be trusted")
        chosen = np.concatenate(drawn)
    else:
        chosen = order[: trusted.size]
    left = np.setdiff1d(np.arange(len(rows)), chosen)
    return rows[left], np.sort(rows[chosen])


def _held_out(dataset: DataSet, noisy: NoisyLabels, rows: IntArray) -> HeldOut:
    """Training images that are held out."""
    return HeldOut(dataset.train.take(rows), noisy.labels[rows], dataset.truth)


def _sampled(spec: Specification, given: IntArray, rows: IntArray) -> IntArray:
    """The fixed subset of a suite whose epochs all walk over the same few batches; drawn by the run's seed."""
    sampling = spec.sampling
    if sampling is None or sampling.fresh or sampling.per_network:
        return rows
    order = permutation(derive_seed(spec.seed, spec.dataset.name, "sample"), len(rows))
    count = sampling.batches * spec.batch_size
    return np.sort(rows[draw(given[rows], count, sampling.balanced, order, sampling.top_up)])


def prepare(
    spec: Specification,
    root: Path | None,
    noise_files: Mapping[str, Path] | None = None,
    skip_broken: bool = False,
) -> RunData:
    """Load the data set, draw the run's noisy labels, and split. Raises DataError.

    noise_files: where files of noise lie, by their hash; others are looked for in the current folder.
    """
    part, noise = spec.dataset, spec.noise
    dataset = _dataset(part.name, root, choice_of(part, skip_broken))
    if dataset.content != part.content:
        raise DataError(f"{part.name}: the data have changed since the run was planned, or other images are broken")
    options = dict(noise.options)
    if options.get("sha256") in (noise_files or {}):
        options["file"] = str((noise_files or {})[options["sha256"]])
    noisy = make_noise(dataset, noise.model, noise.rate, options, spec.seed)
    inside, outside = subset_rows(part.name, dataset.num_train, part.subset)
    rows, held_out = _split(spec, inside, outside, dataset.train.labels)
    rows, trusted = _set_aside(spec, rows, dataset.train.labels)
    if part.training_rows == "clean_only":
        rows = rows[noisy.labels[rows] == dataset.train.labels[rows]]
    if not len(rows):
        raise DataError(f"{part.name}: no training image is left")
    rows = _sampled(spec, noisy.labels, rows)
    validation = _held_out(dataset, noisy, held_out) if len(held_out) else None
    if part.validation.source == "official":
        validation = dataset.validation

    def redrawn(number: int) -> IntArray:
        seed = derive_seed(spec.seed, "further draw", number)
        return make_noise(dataset, noise.model, noise.rate, options, seed).labels[rows]

    told = dataset.train.take(trusted) if len(trusted) else None
    train, given = dataset.train.take(rows), noisy.labels[rows]
    return RunData(dataset, noisy, rows, train, given, validation, redrawn, told, trusted)
