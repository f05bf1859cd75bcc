"""What a row of a suite is in one setting: its condition applied, what its paper has of its own, and what it claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench import networks
from bench.planning import settings
from bench.planning.settings import MethodRow, Suite, Training, Validation, When
from bench.planning.spec_data import check_selection, check_validation, noise_settings
from bench.planning.suite import with_kinds
from bench.recipe.kinds import OPTIMIZER
from bench.recipe.validation import Place, validate_part
from common.errors import UserError
from common.specification import Noise
from datasets import noise as noise_models
from datasets import registry as datasets
from datasets.base import DataError, DataSetInfo
from methods import published as papers
from methods import registry as methods

_OF_A_PAPER = ("published", "noise", "validation", "select", "deviations", "sources")
"""Keys of a row that say how its paper did it, which a `compare` suite has no place for."""


@dataclass(frozen=True)
class Claim:
    """Whose procedure a row is. selection: its own rule, None: the suite's. deviations: in what it is not its paper's.

    source: of the row's settings; sources: of single values, by their key in `bench.planning.procedure`.
    when: the number of the row's condition that holds; None: none does.
    """

    selection: str | None = None
    deviations: tuple[str, ...] = ()
    source: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    when: int | None = None


@dataclass(frozen=True)
class RowSetting:
    """A row in one setting. noise: what it is trained on; hyper: over the method's defaults."""

    method: str
    hyper: Mapping[str, Any]
    training: Training
    noise: Noise
    validation: Validation
    claim: Claim
    warnings: tuple[str, ...]


def resolve(suite: Suite, name: str, noise: Noise, info: DataSetInfo, where: str) -> RowSetting:
    """The row `name` in the setting of this noise. Raises UserError or DataError, as one line."""
    row = suite.methods[name]
    number = _matching(row, suite.data.name, noise.model, noise.rate)
    when = None if number is None else row.when[number]
    entry = _published(suite, name, noise, where)
    own, warnings = _noise(noise, info, row, when, f"{where}: key 'methods.{name}.noise'")
    return RowSetting(
        method=row.method or name,
        hyper={**entry.get("hyper", {}), **row.hyper, **(when.hyper if when else {})},
        training=_training(suite, name, number, where, noise),
        noise=own,
        validation=_own("validation", row, when) or suite.data.validation,
        claim=_claim(row, number, entry),
        warnings=warnings,
    )


def _own(key: str, row: MethodRow, when: When | None) -> Any:
    """The value of a key of a paper's own, the condition's before the row's; None: neither has one."""
    of_condition = None if when is None else getattr(when, key)
    return getattr(row, key) if of_condition is None else of_condition


def _published(suite: Suite, name: str, noise: Noise, where: str) -> Mapping[str, Any]:
    """What the method's own table says of the setting, where the row follows it. Raises UserError."""
    row = suite.methods[name]
    if not row.published:
        return {}
    entries = methods.info(row.method or name).published
    number = papers.matching(entries, suite.data.name, noise.model, noise.rate)
    if number is None:
        title = noise_models.title(noise.model, noise.rate, noise.options)
        known = "; ".join(map(papers.place, entries)) or "none"
        raise UserError(
            f"{where}: key 'methods.{name}.published': the method has no settings of its paper for {suite.data.name}, "
            f"{title} (has: {known})"
        )
    return entries[number]


def _keys(training: Mapping[str, Any], hyper: Mapping[str, Any]) -> set[str]:
    """The keys of a procedure that these set: see `bench.planning.procedure`."""
    keys = {f"hyper.{key}" for key in hyper}
    for key, value in training.items():
        keys |= {f"{key}.{part}" for part in value} if key in ("optimizer", "augmentation") else {key}
    return keys


def _claim(row: MethodRow, number: int | None, entry: Mapping[str, Any]) -> Claim:
    when = None if number is None else row.when[number]
    further = when or When()
    stated = [_keys(part.training.model_dump(exclude_unset=True), part.hyper) for part in (row, further)]
    left = _keys(entry.get("training", {}), entry.get("hyper", {})) - set().union(*stated)
    sources = {**dict.fromkeys(sorted(left), entry.get("source", "")), **row.sources, **further.sources}
    return Claim(
        selection=_own("select", row, when),
        deviations=(*entry.get("deviations", ()), *row.deviations, *further.deviations),
        source=row.source,
        sources=tuple(sources.items()),
        when=number,
    )


def _noise(
    noise: Noise, info: DataSetInfo, row: MethodRow, when: When | None, where: str
) -> tuple[Noise, tuple[str, ...]]:
    """The noise of a row in the column of `noise`, at the same rate, and warnings."""
    own: settings.RowNoise | None = _own("noise", row, when)
    if own is None:
        return noise, ()
    model = own.model or noise.model
    options = {**noise.options, **own.options} if model == noise.model else dict(own.options)
    try:
        rate = noise.rate if noise_models.info(model).takes_rate else None
        [resolved] = noise_settings(settings.Noise(model=model, rate=rate, options=options), info)
    except (UserError, DataError) as fault:
        raise type(fault)(f"{where}: {fault}") from None
    return resolved


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


def _training(suite: Suite, name: str, when: int | None, where: str, noise: Noise | None = None) -> Training:
    """The protocol of a row; when: the number of the condition that holds for it. Raises UserError.

    noise: of the setting, by which a row that follows its paper has what its method's table says; None: without that.
    """
    row, training = suite.methods[name], suite.training
    if row.published and noise is not None:
        published = _published(suite, name, noise, where).get("training", {})
        training = _merged(training, published, Place(where, f"methods.{name}.published.training"))
    parts = [(row.training, "")] + ([] if when is None else [(row.when[when].training, f".when.{when}")])
    for part, place in parts:
        override = part.model_dump(exclude_unset=True, exclude_none=True)
        _refuse_unfair(suite, name, override, where)
        training = _merged(training, override, Place(where, f"methods.{name}{place}.training"))
    return training


def _refuse_unfair(suite: Suite, row_name: str, override: Mapping[str, Any], where: str) -> None:
    if suite.purpose != "compare":
        return
    allowed = {"lr", "weight_decay", "sam"}
    extra = [key for key in override if key != "optimizer"]
    extra += [f"optimizer.{key}" for key in override.get("optimizer", {}) if key not in allowed]
    if extra:
        raise UserError(
            f"{where}: key 'methods.{row_name}.training.{extra[0]}': in a `compare` suite a method may only have its "
            "own optimizer.lr, optimizer.weight_decay and optimizer.sam"
        )


def _refuse_procedures(suite: Suite, name: str, row: MethodRow, where: str) -> None:
    """A `compare` suite has no rows of their paper's own."""
    if suite.purpose != "compare":
        return
    for part, place in _parts(row):
        for key in _OF_A_PAPER:
            if getattr(part, key, None):
                raise UserError(
                    f"{where}: key 'methods.{name}{place}.{key}': in a `compare` suite all rows share it; a row that "
                    "follows its own paper belongs into a `reproduce` suite"
                )


def _parts(row: MethodRow) -> Iterator[tuple[MethodRow | When, str]]:
    """The row and its conditions, each with its place below the row."""
    yield row, ""
    yield from ((when, f".when.{number}") for number, when in enumerate(row.when))


def _matching(row: MethodRow, dataset: str, model: str, rate: float) -> int | None:
    """The number of the first condition that holds."""
    for number, when in enumerate(row.when):
        at_rate = when.rates is None or rate in when.rates
        if when.dataset in (None, dataset) and when.model in (None, model) and at_rate:
            return number
    return None


def check_row(suite: Suite, name: str, info: DataSetInfo, where: str) -> None:
    """Refuse unknown names, also in settings for noise that the suite does not have."""
    row = suite.methods[name]
    _refuse_procedures(suite, name, row, where)
    try:
        method = methods.info(row.method or name)
        for when in row.when:
            methods.resolve(method.name, {**row.hyper, **when.hyper})
            if when.model is not None:
                noise_models.info(when.model)
            if when.dataset is not None:
                datasets.info(when.dataset)
    except (methods.MethodError, DataError) as fault:
        raise type(fault)(f"{where}: {fault}") from None
    for part, place in _parts(row):
        if part.training.network is not None:
            networks.NETWORKS.get(part.training.network, where)
        if part.validation is not None:
            check_validation(suite.data, part.validation, info, where, f"methods.{name}{place}.validation")
        _check_selection(suite, row, part, f"{where}: key 'methods.{name}{place}.select'")
    for number in range(len(row.when)):
        _training(suite, name, number, where)


def _check_selection(suite: Suite, row: MethodRow, part: MethodRow | When, where: str) -> None:
    if part.select is not None:
        held = part.validation or row.validation or suite.data.validation
        check_selection(part.select, held, where)
