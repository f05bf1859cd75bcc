"""From a suite to run specifications: one plain, complete dictionary a run, which is also the run's address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import networks
from bench.errors import UserError, unknown
from bench.precision import resolve_precision
from bench.settings import MethodRow, Noise, Optimizer, Schedule, Suite, Training, Validation, When
from bench.suite import validate_part
from datasets import noise as noise_models
from datasets import registry as datasets
from datasets.base import DataError, DataSetInfo
from methods import registry as methods
from results.record import PROTOCOL, address

Spec = dict[str, Any]
NoiseSettings = dict[str, Any]

_OPTIMIZER_KEYS = {
    "sgd": ("name", "lr", "momentum", "nesterov", "weight_decay", "clip_norm"),
    "adam": ("name", "lr", "betas", "weight_decay", "clip_norm"),
    "adagrad": ("name", "lr", "weight_decay", "clip_norm"),
}
_SHARED_KEYS = ("network", "pretrained", "epochs", "batch_size", "augmentation", "threads", "memorisation_every")
_SCHEDULE_KEYS = {
    "constant": (),
    "multi_step": ("milestones", "factor"),
    "cosine": ("minimum",),
    "cosine_restarts": ("minimum", "period"),
    "linear": ("start", "beta1_after"),
}


@dataclass(frozen=True)
class Cell:
    """One run of a suite's table: row, setting and seed, and the specification that says everything."""

    row: str
    title: str
    setting: str
    spec: Spec

    @property
    def address(self) -> str:
        return address(self.spec)

    @property
    def seed(self) -> int:
        return int(self.spec["seed"])

    @property
    def label(self) -> str:
        """What progress and messages call the run."""
        return f"{self.title}, {self.setting}, seed {self.seed}"


def optimizer_settings(optimizer: Optimizer) -> dict[str, Any]:
    """The settings that the chosen optimiser uses."""
    values = optimizer.model_dump(mode="json")
    return {key: values[key] for key in _OPTIMIZER_KEYS[optimizer.name]}


def schedule_settings(schedule: Schedule) -> dict[str, Any]:
    """The settings that the chosen schedule uses."""
    values = schedule.model_dump(mode="json")
    return {key: values[key] for key in ("name", *_SCHEDULE_KEYS[schedule.name], "warmup", "update")}


def noise_settings(entry: Noise, info: DataSetInfo) -> Iterator[tuple[NoiseSettings, tuple[str, ...]]]:
    """The noise part of a specification for each rate of a suite's entry, with warnings. Raises UserError, DataError.

    All options are there with their defaults; of a file, its name without the folder and the hash of what it holds, so
    that the address follows the content and not the place (`noise_files` knows that). Models without a rate stand at 0.
    """
    if entry.rate is not None and entry.rates is not None:
        raise UserError(f"noise {entry.model!r}: give either `rate` or `rates`, not both")
    declared = noise_models.info(entry.model)
    if declared.takes_rate and entry.rate is None and entry.rates is None:
        raise UserError(f"noise {entry.model!r}: key 'rate' (or 'rates') is missing: a number in [0, 1]")
    for rate in entry.rates or [entry.rate or 0.0]:
        warnings = noise_models.check_noise(info, entry.model, rate, entry.options)
        options = noise_models.resolve_options(info, entry.model, entry.options)
        if "file" in options:
            options["file"] = Path(options["file"]).name
        yield {"model": entry.model, "rate": rate, "options": options, "version": declared.version}, warnings


def noise_files(suite: Suite) -> dict[str, Path]:
    """Where the files of a suite's noise lie, by the hash that stands for them in specifications."""
    found = {}
    for entry in suite.noise:
        if "file" in entry.options:
            options = noise_models.resolve_options(datasets.DATASETS[suite.data.name], entry.model, entry.options)
            found[options["sha256"]] = Path(options["file"]).expanduser().absolute()
    return found


def _settings(suite: Suite, where: str) -> tuple[list[NoiseSettings], list[str]]:
    """The noise parts of all settings of a suite, and warnings."""
    found: list[NoiseSettings] = []
    warnings: list[str] = []
    for entry in suite.noise:
        try:
            for settings, raised in noise_settings(entry, datasets.DATASETS[suite.data.name]):
                if settings in found:
                    name = noise_models.title(settings["model"], settings["rate"], settings["options"])
                    raise UserError(f"noise {name!r} stands in the suite twice")
                found.append(settings)
                warnings += raised
        except (UserError, DataError) as fault:
            raise type(fault)(f"{where}: {fault}") from None
    return found, warnings


def _validation_settings(validation: Validation) -> dict[str, Any]:
    """The settings that say which images are held out; no size where it is not used."""
    sized = validation.source in ("inside", "outside")
    return {"source": validation.source, "size": validation.size if sized else 0}


def _merged(training: Training, override: Mapping[str, Any], where: str) -> Training:
    values = training.model_dump()
    for key, value in override.items():
        if key in ("optimizer", "augmentation"):
            values[key] = {**values[key], **value}
        else:
            values[key] = value
    return validate_part(Training, values, where)


def _overrides(row: MethodRow, when: When | None) -> list[dict[str, Any]]:
    found = [row.training] + ([when.training] if when else [])
    return [part.model_dump(exclude_unset=True, exclude_none=True) for part in found]


def _refuse_unfair(suite: Suite, row_name: str, override: Mapping[str, Any], where: str) -> None:
    if suite.purpose != "compare":
        return
    allowed = {"lr", "weight_decay"}
    extra = [key for key in override if key != "optimizer"]
    extra += [f"optimizer.{key}" for key in override.get("optimizer", {}) if key not in allowed]
    if extra:
        raise UserError(
            f"{where}: key 'methods.{row_name}.training.{extra[0]}': in a `compare` suite a method may only have its "
            "own optimizer.lr and optimizer.weight_decay"
        )


def _matching(row: MethodRow, dataset: str, model: str, rate: float) -> When | None:
    for when in row.when:
        at_rate = when.rates is None or rate in when.rates
        if when.dataset in (None, dataset) and when.model in (None, model) and at_rate:
            return when
    return None


def _check_validation(suite: Suite, where: str) -> None:
    """Refuse a subset or a validation set that the data set cannot give, and a selection rule that lacks its set."""
    data, info = suite.data, datasets.DATASETS[suite.data.name]
    if data.subset is not None and data.subset > info.num_train:
        raise UserError(f"{where}: key 'data.subset' = {data.subset}: {data.name} has {info.num_train} training images")
    validation = data.validation
    if validation.source == "none":
        if suite.select in ("noisy_validation", "clean_validation"):
            raise UserError(f"{where}: key 'select' = {suite.select!r} needs a validation set: see 'data.validation'")
        return
    if validation.source == "official":
        raise UserError(f"{where}: key 'data.validation.source' = 'official': {data.name} has no validation set")
    subset = data.subset or info.num_train
    room = subset - 1 if validation.source == "inside" else info.num_train - subset
    if not 1 <= validation.count(subset) <= room:
        accepted = f"must select between 1 and {room} images" if room > 0 else "no image is left for it"
        raise UserError(f"{where}: key 'data.validation.size' = {validation.size}: {accepted}")


def _check_row(name: str, row: MethodRow, where: str) -> None:
    """Refuse unknown names, also in settings for noise that the suite does not have."""
    try:
        info = methods.info(row.method or name)
        for when in row.when:
            methods.resolve(info.name, {**row.hyper, **when.hyper})
            if when.model is not None:
                noise_models.info(when.model)
            if when.dataset is not None:
                datasets.info(when.dataset)
    except (methods.MethodError, DataError) as fault:
        raise type(fault)(f"{where}: {fault}") from None


def check_names(suite: Suite, where: str) -> None:
    """Raise for an unknown data set, noise model, network or method, before anything is computed or written."""
    if suite.data.name not in datasets.DATASETS:
        raise unknown("data set", suite.data.name, datasets.DATASETS, where)
    rows = suite.methods.values()
    overrides = [row.training for row in rows] + [when.training for row in rows for when in row.when]
    for network in [suite.training.network, *(part.network for part in overrides)]:
        if network is not None and network not in networks.NETWORKS:
            raise unknown("network", network, networks.NETWORKS, where)
    for name, row in suite.methods.items():
        _check_row(name, row, where)
    _check_validation(suite, where)


def _check_images(suite: Suite, training: Training, where: str) -> None:
    """Refuse a network or an augmentation that cannot take the data set's images."""
    height, width, channels = datasets.DATASETS[suite.data.name].image_shape
    try:
        networks.check(training.network, (channels, height, width), training.pretrained)
    except UserError as fault:
        raise UserError(f"{where}: {fault}") from None
    padding, mode = training.augmentation.crop_padding, training.augmentation.padding_mode
    if mode == "reflect" and padding >= min(height, width):
        raise UserError(
            f"{where}: key 'training.augmentation.crop_padding' = {padding}: reflected padding must be smaller than "
            f"the images ({height} x {width})"
        )


def cells(suite: Suite, where: str, device: str, seeds: int) -> tuple[list[Cell], list[str]]:
    """All runs of a suite, ordered by seed, then setting, then row; and warnings. Raises UserError or its kin."""
    check_names(suite, where)
    settings, warnings = _settings(suite, where)
    found: list[Cell] = []
    for noise in settings:
        for name, row in suite.methods.items():
            cell = _cell(suite, name, row, noise, where, device)
            found.extend(Cell(cell.row, cell.title, cell.setting, {**cell.spec, "seed": seed}) for seed in range(seeds))
    found.sort(key=lambda cell: cell.seed)
    return found, warnings


def _cell(suite: Suite, name: str, row: MethodRow, noise: dict[str, Any], where: str, device: str) -> Cell:
    info = methods.info(row.method or name)
    when = _matching(row, suite.data.name, noise["model"], noise["rate"])
    training = suite.training
    for override in _overrides(row, when):
        _refuse_unfair(suite, name, override, where)
        training = _merged(training, override, f"{where}: methods.{name}")
    _check_images(suite, training, where)
    try:
        hyper = methods.resolve(info.name, {**row.hyper, **(when.hyper if when else {})})
    except methods.MethodError as fault:
        raise methods.MethodError(f"{where}: {fault}") from None
    values = training.model_dump(mode="json")
    spec = {
        "protocol": PROTOCOL,
        "dataset": {
            "name": suite.data.name,
            "version": datasets.DATASETS[suite.data.name].version,
            "subset": suite.data.subset,
            "validation": _validation_settings(suite.data.validation),
            "training_rows": row.training_rows,
        },
        "noise": noise,
        "method": {"name": info.name, "version": info.version, "hyper": hyper},
        "scored": row.scored,
        "noise_rate_error": suite.noise_rate_error if row.noise_rate_error is None else row.noise_rate_error,
        "optimizer": optimizer_settings(training.optimizer),
        "schedule": schedule_settings(training.schedule),
        "precision": resolve_precision(training.precision, device),
        **{key: values[key] for key in _SHARED_KEYS},
    }
    setting = noise_models.title(noise["model"], noise["rate"], noise["options"])
    return Cell(name, row.title or info.title, setting, spec)


def plan(name: str, suite: Suite, planned: Sequence[Cell]) -> dict[str, Any]:
    """The plan of a started suite, as it is kept in the store: what each table's cells are, run or not."""
    return {
        "format": 1,
        "suite": name,
        "title": suite.title,
        "purpose": suite.purpose,
        "description": suite.description,
        "remark": suite.remark,
        "selection": suite.select,
        "paper": suite.paper,
        "trials": {key: row.trials for key, row in suite.methods.items()},
        "cells": [
            {
                "address": cell.address,
                "dataset": cell.spec["dataset"]["name"],
                "noise": cell.spec["noise"],
                "method": cell.row,
                "title": cell.title,
                "setting": cell.setting,
                "seed": cell.seed,
                "network": cell.spec["network"],
                "spec": cell.spec,
            }
            for cell in planned
        ],
    }
