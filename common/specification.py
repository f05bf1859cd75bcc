"""The specification of a run: everything that decides its numbers. Its canonical JSON is also the run's address.

`as_json` gives the plain dictionary that is hashed and stored; `read` takes one back. A key whose value is the field's
default is left out of it, so that a setting which came later changes no address of runs that do not use it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, TypeAlias, TypeVar

Precision: TypeAlias = Literal["fp32", "bf16"]
"""What networks compute in."""

KindSettings: TypeAlias = Mapping[str, Any]
"""Settings that depend on the `name` beside them: an optimiser's, a schedule's; `bench.recipe.kinds` has the models."""


@dataclass(frozen=True)
class Validation:
    """Held-out images. source: "none", "inside", "outside", "official". size: a number, or a share below 1 (float).

    stratified: each class in proportion.
    """

    source: str
    size: int | float
    stratified: bool = False


@dataclass(frozen=True)
class Trusted:
    """Training images set aside with their true labels. per_class: as many of each true class."""

    size: int
    per_class: bool


@dataclass(frozen=True)
class Dataset:
    """The data set and which of its training images are used.

    subset: how many, None: all. training_rows: "all" or "clean_only". content: hash of what the lists of own images say
    file: the list. copies: copies resized once are read. trusted: what the method is told the true labels of.
    """

    name: str
    version: int
    subset: int | None
    validation: Validation
    training_rows: str
    content: str | None = None
    file: str | None = None
    copies: bool = False
    trusted: Trusted | None = None


@dataclass(frozen=True)
class Noise:
    """A noise model with its rate in [0, 1], all its options, and the version of the model; None: it is no model's."""

    model: str
    rate: float
    options: Mapping[str, Any]
    version: int | None = None


@dataclass(frozen=True)
class MethodSettings:
    """A method, its version, and all its hyper-parameters."""

    name: str
    version: int
    hyper: Mapping[str, Any]


@dataclass(frozen=True)
class Augmentation:
    """How a weak view is made, and what a strong one adds. resize, crop: pixels; of image files only.

    strong: the view policy that stands for "strong"; None: that of this name.
    """

    crop_padding: int
    padding_mode: str
    flip: bool
    cutout: int
    colour_jitter: float
    strong_cutout: int
    strong_colour_jitter: float
    resize: int | None = None
    crop: int | None = None
    strong: str | None = None


@dataclass(frozen=True)
class Sampling:
    """Epochs of so many batches. balanced: alike from all given classes. fresh: drawn anew for every epoch.

    top_up: where a class is short of its share, the others give more. per_network: what is drawn once for the run, each
    network of a method has by itself.
    """

    batches: int
    balanced: bool
    fresh: bool
    top_up: bool = True
    per_network: bool = False


@dataclass(frozen=True)
class Specification:
    """One run. noise_rate: stands for the expected rate for methods that are told it; None: the expected one itself."""

    protocol: int
    dataset: Dataset
    noise: Noise
    method: MethodSettings
    network: str
    epochs: int
    batch_size: int
    seed: int
    scored: str
    noise_rate_error: float
    optimizer: KindSettings
    schedule: KindSettings
    precision: Precision
    pretrained: bool
    threads: int
    memorisation_every: int
    augmentation: Augmentation
    sampling: Sampling | None = None
    compile: bool = False
    noise_rate: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The plain dictionary that is hashed and stored."""
        return as_json(self)


_PARTS: Mapping[str, type] = {
    "dataset": Dataset,
    "validation": Validation,
    "trusted": Trusted,
    "noise": Noise,
    "method": MethodSettings,
    "augmentation": Augmentation,
    "sampling": Sampling,
}
_PLAIN = {"crop_padding": 0, "padding_mode": "zero", "flip": False, "cutout": 0, "colour_jitter": 0.0,
          "strong_cutout": 0, "strong_colour_jitter": 0.0}  # fmt: skip
_LACKING: Mapping[type, Mapping[str, Any]] = {
    Validation: {"source": "none", "size": 0},
    Augmentation: _PLAIN,
    Sampling: {"batches": 0, "balanced": False, "fresh": False},
    Dataset: {"version": 1, "subset": None, "validation": {}, "training_rows": "all"},
    Noise: {"options": {}},
    MethodSettings: {"version": 1, "hyper": {}},
    Specification: {
        "scored": "default",
        "noise_rate_error": 0.0,
        "optimizer": {},
        "schedule": {},
        "precision": "",
        "pretrained": False,
        "threads": 1,
        "memorisation_every": 1,
        "augmentation": {},
    },
}
"""What is read where records of an older protocol, or of others' making, lack a key that is always written now."""

Part = TypeVar("Part")


def as_json(part: Any) -> dict[str, Any]:
    """A specification or a part of one as a plain dictionary."""
    values = {}
    for declared in dataclasses.fields(part):
        value = getattr(part, declared.name)
        if declared.default is dataclasses.MISSING or value != declared.default:
            values[declared.name] = as_json(value) if is_dataclass(value) else value
    return values


def read(mapping: Mapping[str, Any]) -> Specification:
    """The specification that a dictionary holds, such as a record's; keys that are not known here are not looked at.

    Raises KeyError where one lacks that records have had from the first protocol on.
    """
    return read_part(Specification, mapping)


def read_part(kind: type[Part], mapping: Mapping[str, Any]) -> Part:
    """A part of a specification, such as a `Noise`. Raises KeyError as `read` does."""
    values = {**_LACKING.get(kind, {}), **{name: value for name, value in mapping.items() if name in _names(kind)}}
    for name, part in _PARTS.items():
        if isinstance(values.get(name), Mapping) and name in _names(kind):
            values[name] = read_part(part, values[name])
    for declared in dataclasses.fields(kind):  # type: ignore[arg-type]
        if declared.default is dataclasses.MISSING and declared.name not in values:
            raise KeyError(declared.name)
    return kind(**values)


def _names(kind: type) -> set[str]:
    return {declared.name for declared in dataclasses.fields(kind)}
