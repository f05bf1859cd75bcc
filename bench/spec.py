"""From a suite to run specifications: one plain, complete dictionary a run, which is also the run's address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import networks
from bench.errors import UserError, unknown
from bench.precision import resolve_precision
from bench.settings import MethodRow, Noise, Optimizer, Schedule, Suite, Training, When
from bench.suite import validate_part
from datasets import noise as noise_models
from datasets import registry as datasets
from methods import registry as methods
from results.record import PROTOCOL, address

Spec = dict[str, Any]

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


def noise_settings(noise: Noise) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each rate of a noise entry, with the noise part of a specification. Models without a rate stand at 0."""
    if noise.rate is not None and noise.rates is not None:
        raise UserError(f"noise {noise.model!r}: give either `rate` or `rates`, not both")
    rates = noise.rates if noise.rates is not None else [0.0 if noise.rate is None else noise.rate]
    for rate in rates:
        yield rate, {"model": noise.model, "rate": rate, "options": _with_full_paths(noise.options)}


def _with_full_paths(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(Path(value).resolve()) if key == "file" else value for key, value in options.items()}


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


def _matching(row: MethodRow, model: str, rate: float) -> When | None:
    for when in row.when:
        if when.model in (None, model) and (when.rates is None or rate in when.rates):
            return when
    return None


def _check_sizes(suite: Suite, where: str) -> None:
    data, info = suite.data, datasets.DATASETS[suite.data.name]
    if data.subset is not None and data.subset > info.num_train:
        raise UserError(f"{where}: key 'data.subset' = {data.subset}: {data.name} has {info.num_train} training images")
    subset, validation = data.subset or info.num_train, data.validation
    if validation.source == "none":
        return
    room = info.num_train - subset if validation.source == "outside" else subset
    size = validation.size * subset if validation.size < 1 else validation.size
    if validation.source != "official" and not 0 < size < room + (validation.source == "outside"):
        raise UserError(
            f"{where}: key 'data.validation.size' = {validation.size}: must select between 1 and "
            f"{room - (validation.source == 'inside')} of the {room} images {validation.source} the subset"
        )


def check_names(suite: Suite, where: str) -> None:
    """Raise for an unknown data set, noise model, network or method, before anything is computed or written."""
    if suite.data.name not in datasets.DATASETS:
        raise unknown("data set", suite.data.name, datasets.DATASETS, where)
    for network in [suite.training.network, *(row.training.network for row in suite.methods.values())]:
        if network is not None and network not in networks.NETWORKS:
            raise unknown("network", network, networks.NETWORKS, where)
    for name, row in suite.methods.items():
        methods.info(row.method or name)
    _check_sizes(suite, where)


def cells(suite: Suite, where: str, device: str, seeds: int) -> tuple[list[Cell], list[str]]:
    """All runs of a suite, ordered by seed, then setting, then row; and warnings. Raises UserError or its kin."""
    check_names(suite, where)
    warnings: list[str] = []
    settings = []
    for entry in suite.noise:
        for rate, noise in noise_settings(entry):
            info = datasets.DATASETS[suite.data.name]
            warnings += noise_models.check_noise(info, entry.model, rate, noise["options"])
            # all options with their defaults, and what a file holds: the address must change with the content
            noise["options"] = noise_models.resolve_options(info, entry.model, noise["options"])
            noise["version"] = noise_models.NOISE_MODELS[entry.model].version
            settings.append(noise)
    found: list[Cell] = []
    for noise in settings:
        for name, row in suite.methods.items():
            cell = _cell(suite, name, row, noise, where, device)
            found.extend(Cell(cell.row, cell.title, cell.setting, {**cell.spec, "seed": seed}) for seed in range(seeds))
    found.sort(key=lambda cell: cell.seed)
    return found, warnings


def _cell(suite: Suite, name: str, row: MethodRow, noise: dict[str, Any], where: str, device: str) -> Cell:
    info = methods.info(row.method or name)
    when = _matching(row, noise["model"], noise["rate"])
    training = suite.training
    for override in _overrides(row, when):
        _refuse_unfair(suite, name, override, where)
        training = _merged(training, override, f"{where}: methods.{name}")
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
            "validation": suite.data.validation.model_dump(mode="json"),
            "training_rows": row.training_rows,
        },
        "noise": noise,
        "method": {"name": info.name, "version": info.version, "hyper": hyper},
        "scored": row.scored,
        "noise_rate_error": suite.noise_rate_error,
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
