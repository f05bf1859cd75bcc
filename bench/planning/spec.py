"""From a suite to the specifications of its runs, each complete: nothing of a run is decided anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench import networks
from bench.machine.precision import resolve_precision
from bench.planning import memorisation
from bench.planning.rows import Claim, RowSetting, check_row, resolve
from bench.planning.settings import Suite
from bench.planning.spec_data import (
    augmentation_settings,
    check_images,
    check_selection,
    check_trusted_used,
    check_validation,
    dataset_settings,
    describe,
    noise_parts,
    told_rate,
)
from bench.planning.workload import epoch_images
from bench.recipe.kinds import OPTIMIZER, SCHEDULE
from bench.recipe.validation import Place
from common.errors import UserError
from common.plan import Plan, PlanCell
from common.specification import MethodSettings, Noise, Sampling, Specification, as_json
from common.titles import told_apart
from datasets import noise as noise_models
from datasets.base import DataSetInfo
from datasets.registry import Described
from methods import registry as methods
from methods.hyper import idle
from results.record import PROTOCOL, address


@dataclass(frozen=True)
class Cell:
    """One run of a suite's table: row, setting and seed, and the specification that says everything.

    column: the noise of the setting, which a row may have made in its paper's way; None: that of the specification.
    dataset: the name of its data set where the suite has several. shown: the title as tables tell it apart from those
    of other rows; empty: as it is.
    """

    row: str
    title: str
    setting: str
    spec: Specification
    column: Noise | None = None
    claim: Claim = field(default_factory=Claim)
    dataset: str = ""
    shown: str = ""

    @property
    def address(self) -> str:
        return address(self.spec)

    @property
    def seed(self) -> int:
        return self.spec.seed

    def with_seed(self, seed: int) -> Cell:
        """The same run with another seed."""
        return replace(self, spec=replace(self.spec, seed=seed))

    @property
    def label(self) -> str:
        """What progress and messages call the run."""
        title = self.shown or self.title
        return f"{self.dataset}{': ' if self.dataset else ''}{title}, {self.setting}, seed {self.seed}"


def check_names(suite: Suite, info: DataSetInfo, where: str) -> None:
    """Raise for an unknown noise model, network or method, before anything is computed or written."""
    networks.NETWORKS.get(suite.training.network, where)
    for name in suite.methods:
        check_row(suite, name, info, where)
    check_trusted_used(suite, where)
    check_validation(suite.data, suite.data.validation, info, where, "data.validation")
    check_selection(suite.select, suite.data.validation, f"{where}: key 'select'")


def cells(
    suite: Suite, where: str, device: str, seeds: int | Sequence[int], described: Described | None = None
) -> tuple[list[Cell], list[str]]:
    """All runs of a suite, ordered by seed, then setting, then row; and warnings. Raises UserError or its kin.

    seeds: how many, counted from 0, or which.
    described: the suite's data set; None: looked up in the default data directory.
    """
    data = described or describe(suite, where)
    check_names(suite, data.info, where)
    settings, warnings = noise_parts(suite, data.info, where)
    warnings += [data.absent] if data.absent else []
    planned: list[Cell] = []
    shown = told_apart({name: _title(suite, name) for name in suite.methods})
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    for noise in settings:
        for name in suite.methods:
            row = resolve(suite, name, noise, data.info, where)
            warnings += [line for line in row.warnings if line not in warnings]
            cell = replace(_cell(suite, data, name, row, noise, where, device), shown=shown[name])
            planned.extend(map(cell.with_seed, numbers))
    planned.sort(key=lambda cell: cell.seed)
    return planned, warnings


def _cell(suite: Suite, data: Described, name: str, row: RowSetting, noise: Noise, where: str, device: str) -> Cell:
    """The run of a row in the setting of a noise, at seed 0."""
    spec = _specification(suite, data, name, row, where, device)
    if row.training.memorisation_every is None:
        every = memorisation.default_interval(row.training.epochs, epoch_images(spec, data.info))
        spec = replace(spec, memorisation_every=every)
    setting = noise_models.title(noise.model, noise.rate, noise.options)
    return Cell(name, _title(suite, name), setting, spec, noise, row.claim)


def _title(suite: Suite, name: str) -> str:
    """What a row is called: its own title, or its method's."""
    return suite.methods[name].title or methods.info(suite.methods[name].method or name).title


def _specification(suite: Suite, data: Described, name: str, row: RowSetting, where: str, device: str) -> Specification:
    """What decides the numbers of a row's run, at seed 0."""
    info, declared, training = methods.info(row.method), suite.methods[name], row.training
    augmentation = augmentation_settings(training, data.info, where)
    check_images(data.info, training, augmentation, where)
    try:
        hyper = methods.specified(info.name, row.hyper)
    except methods.MethodError as fault:
        raise methods.MethodError(f"{where}: {fault}") from None
    place = f"{where}: methods.{name}"
    _refuse_idle(row, place)
    if "noisy_validation" in info.needs and row.validation.source not in ("inside", "outside"):
        raise UserError(
            f"{place}: the method selects by noisy validation: key 'data.validation.source' = "
            f"{row.validation.source!r}: must be 'inside' or 'outside'"
        )
    if info.own_steps and training.optimizer.get("sam"):
        raise UserError(f"{place}: key 'optimizer.sam': the method takes its steps itself, so none is taken twice")
    return Specification(
        protocol=PROTOCOL,
        dataset=dataset_settings(suite, data, declared.training_rows, row.validation, "trusted" in info.needs, place),
        noise=row.noise,
        method=MethodSettings(info.name, info.version, hyper),
        network=training.network,
        epochs=training.epochs,
        batch_size=training.batch_size,
        seed=0,
        scored=declared.scored,
        noise_rate_error=suite.noise_rate_error if declared.noise_rate_error is None else declared.noise_rate_error,
        optimizer=OPTIMIZER.specified(training.optimizer, Place(where)),
        schedule=SCHEDULE.specified(training.schedule, Place(where)),
        precision=resolve_precision(training.precision, device),
        pretrained=training.pretrained,
        threads=training.threads,
        memorisation_every=training.memorisation_every or 1,
        augmentation=augmentation,
        sampling=None if training.sampling is None else Sampling(**training.sampling.model_dump()),
        compile=training.compile,
        noise_rate=told_rate(suite, data.info, place) if "noise_rate" in info.needs else None,
    )


def _refuse_idle(row: RowSetting, place: str) -> None:
    """Raise MethodError for a hyper-parameter that would not count on the row's network."""
    if not networks.NETWORKS[row.training.network].confidence_head:
        return
    declared, values = methods.info(row.method).hyper, methods.resolve(row.method, row.hyper)
    for key in idle(declared, values):
        others = ", ".join(f"{other} = {value!r}" for other, value in declared[key]["headless"].items())
        raise methods.MethodError(
            f"{place}: hyper-parameter {key!r} = {values[key]!r}: does not count with {others}, as the network "
            f"{row.training.network!r} has a head of its own for the confidence"
        )


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
        "cells": [_planned(cell) for cell in planned],
    }


def _planned(cell: Cell) -> PlanCell:
    """A cell as its plan keeps it; what its row has of its own stands there only where it has something."""
    plan_cell: PlanCell = {
        "address": cell.address,
        "dataset": cell.spec.dataset.name,
        "noise": as_json(cell.column or cell.spec.noise),
        "method": cell.row,
        "title": cell.title,
        "setting": cell.setting,
        "seed": cell.seed,
        "network": cell.spec.network,
        "spec": cell.spec.as_json(),
    }
    if cell.claim.selection is not None:
        plan_cell["selection"] = cell.claim.selection
    if cell.claim.deviations:
        plan_cell["deviations"] = list(cell.claim.deviations)
    return plan_cell
