"""From a suite to the specifications of its runs, each complete: nothing of a run is decided anywhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench import networks
from bench.machine.precision import resolve_precision
from bench.planning import memorisation
from bench.planning.settings import MethodRow, Suite, Training
from bench.planning.spec_data import (
    augmentation_settings,
    check_images,
    check_validation,
    dataset_settings,
    describe,
    noise_parts,
    told_rate,
)
from bench.planning.suite import with_kinds
from bench.planning.workload import epoch_images
from bench.recipe.kinds import OPTIMIZER, SCHEDULE
from bench.recipe.validation import Place, validate_part
from common.errors import UserError
from common.plan import Plan
from common.specification import MethodSettings, Noise, Sampling, Specification, as_json
from datasets import noise as noise_models
from datasets import registry as datasets
from datasets.base import DataError, DataSetInfo
from datasets.registry import Described
from methods import registry as methods
from results.record import PROTOCOL, address


@dataclass(frozen=True)
class Cell:
    """One run of a suite's table: row, setting and seed, and the specification that says everything."""

    row: str
    title: str
    setting: str
    spec: Specification

    @property
    def address(self) -> str:
        return address(self.spec)

    @property
    def seed(self) -> int:
        return self.spec.seed

    @property
    def label(self) -> str:
        """What progress and messages call the run."""
        return f"{self.title}, {self.setting}, seed {self.seed}"


def _merged(training: Training, override: Mapping[str, Any], place: Place) -> Training:
    """`training` with one override, which stands at `place`. Raises UserError."""
    values = training.model_dump()
    for key, value in override.items():
        if key == "optimizer":
            values[key] = OPTIMIZER.overlaid(values[key], value, replace(place, key=f"{place.key}.optimizer"))
        elif key == "augmentation":
            values[key] = {**values[key], **value}
        else:
            values[key] = value
    return with_kinds(validate_part(Training, values, place), place.path, place.key)


def _training(suite: Suite, name: str, when: int | None, where: str) -> Training:
    """The protocol of a row; when: the number of the condition that holds for it. Raises UserError."""
    row, training = suite.methods[name], suite.training
    parts = [(row.training, "")] + ([] if when is None else [(row.when[when].training, f".when.{when}")])
    for part, place in parts:
        override = part.model_dump(exclude_unset=True, exclude_none=True)
        _refuse_unfair(suite, name, override, where)
        training = _merged(training, override, Place(where, f"methods.{name}{place}.training"))
    return training


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


def _matching(row: MethodRow, dataset: str, model: str, rate: float) -> int | None:
    """The number of the first condition that holds."""
    for number, when in enumerate(row.when):
        at_rate = when.rates is None or rate in when.rates
        if when.dataset in (None, dataset) and when.model in (None, model) and at_rate:
            return number
    return None


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


def check_names(suite: Suite, info: DataSetInfo, where: str) -> None:
    """Raise for an unknown noise model, network or method, before anything is computed or written."""
    rows = suite.methods.values()
    overrides = [row.training for row in rows] + [when.training for row in rows for when in row.when]
    for network in [suite.training.network, *(part.network for part in overrides)]:
        if network is not None:
            networks.NETWORKS.get(network, where)
    for name, row in suite.methods.items():
        _check_row(name, row, where)
        for number in range(len(row.when)):
            _training(suite, name, number, where)
    check_validation(suite, info, where)


def cells(
    suite: Suite, where: str, device: str, seeds: int, described: Described | None = None
) -> tuple[list[Cell], list[str]]:
    """All runs of a suite, ordered by seed, then setting, then row; and warnings. Raises UserError or its kin.

    described: the suite's data set; None: looked up in the default data directory.
    """
    data = described or describe(suite, where)
    check_names(suite, data.info, where)
    settings, warnings = noise_parts(suite, data.info, where)
    warnings += [data.absent] if data.absent else []
    found: list[Cell] = []
    for noise in settings:
        for name, row in suite.methods.items():
            cell = _cell(suite, data, name, row, noise, where, device)
            found.extend(replace(cell, spec=replace(cell.spec, seed=seed)) for seed in range(seeds))
    found.sort(key=lambda cell: cell.seed)
    return found, warnings


def _cell(suite: Suite, data: Described, name: str, row: MethodRow, noise: Noise, where: str, device: str) -> Cell:
    """The run of a row in a setting, at seed 0."""
    info = methods.info(row.method or name)
    number = _matching(row, suite.data.name, noise.model, noise.rate)
    when = None if number is None else row.when[number]
    training = _training(suite, name, number, where)
    augmentation = augmentation_settings(training, data.info, where)
    check_images(data.info, training, augmentation, where)
    try:
        hyper = methods.resolve(info.name, {**row.hyper, **(when.hyper if when else {})})
    except methods.MethodError as fault:
        raise methods.MethodError(f"{where}: {fault}") from None
    spec = Specification(
        protocol=PROTOCOL,
        dataset=dataset_settings(suite, data, row, f"{where}: methods.{name}"),
        noise=noise,
        method=MethodSettings(info.name, info.version, hyper),
        network=training.network,
        epochs=training.epochs,
        batch_size=training.batch_size,
        seed=0,
        scored=row.scored,
        noise_rate_error=suite.noise_rate_error if row.noise_rate_error is None else row.noise_rate_error,
        optimizer=OPTIMIZER.specified(training.optimizer, Place(where)),
        schedule=SCHEDULE.specified(training.schedule, Place(where)),
        precision=resolve_precision(training.precision, device),
        pretrained=training.pretrained,
        threads=training.threads,
        memorisation_every=training.memorisation_every or 1,
        augmentation=augmentation,
        sampling=None if training.sampling is None else Sampling(**training.sampling.model_dump()),
        compile=training.compile,
        noise_rate=told_rate(suite, data.info, f"{where}: methods.{name}") if "noise_rate" in info.needs else None,
    )
    if training.memorisation_every is None:
        every = memorisation.default_interval(training.epochs, epoch_images(spec, data.info))
        spec = replace(spec, memorisation_every=every)
    return Cell(name, row.title or info.title, noise_models.title(noise.model, noise.rate, noise.options), spec)


def plan(name: str, suite: Suite, planned: Sequence[Cell], tuning: bool = False) -> Plan:
    """The plan of a started suite, as it is kept in the store: what each table's cells are, run or not.

    tuning: the cells are trials of `tune`, which reports leave out.
    """
    return {
        "format": 1,
        "suite": name,
        "title": suite.title,
        "purpose": suite.purpose,
        "description": suite.description,
        "remark": suite.remark,
        "selection": suite.select,
        "paper": suite.paper,
        "tuning": tuning,
        "trials": {key: row.trials for key, row in suite.methods.items()},
        "cells": [
            {
                "address": cell.address,
                "dataset": cell.spec.dataset.name,
                "noise": as_json(cell.spec.noise),
                "method": cell.row,
                "title": cell.title,
                "setting": cell.setting,
                "seed": cell.seed,
                "network": cell.spec.network,
                "spec": cell.spec.as_json(),
            }
            for cell in planned
        ],
    }
