"""What a specification says of the data: data set, noise, and how images are seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench import networks
from bench.planning.settings import Data, Noise, Suite, Training, Validation
from common import specification
from common.errors import UserError, unknown
from common.files import expanded
from datasets import noise as noise_models
from datasets import registry as datasets
from datasets.base import DataError, DataSetInfo
from datasets.data_contract import Choice
from datasets.registry import Described
from datasets.views import VIEW_POLICIES
from methods import registry as methods
from results.selection_rules import RULES


def noise_settings(entry: Noise, info: DataSetInfo) -> Iterator[tuple[specification.Noise, tuple[str, ...]]]:
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
        yield specification.Noise(entry.model, rate, options, declared.version), warnings


def describe(suite: Suite, where: str, root: Path | None = None, skip_broken: bool = False) -> Described:
    """The suite's data set as it is found below `root`; of a published one that is not there, what is published.

    Raises UserError; DataError where own images are missing.
    """
    name = suite.data.name
    if name not in datasets.DATASETS:
        raise unknown("data set", name, sorted(datasets.DATASETS.names), where)
    declared = datasets.DATASETS[name]
    published = declared.info
    if published.resize is None and suite.data.copies:
        raise UserError(f"{where}: key 'data.copies': the images of {name!r} are not files")
    if suite.data.file is not None and not declared.own_images:
        own = ", ".join(repr(entry.name) for entry in datasets.DATASETS if entry.own_images)
        raise UserError(f"{where}: key 'data.file' is for the data set {own} only")
    try:
        return datasets.describe(name, root, choice_of(suite, skip_broken))
    except DataError as fault:
        if declared.own_images:
            raise
        return Described(published, None, str(fault))


def choice_of(suite: Suite, skip_broken: bool) -> Choice:
    """How the suite's data set is read."""
    return Choice(suite.data.file, skip_broken, suite.data.copies)


def noise_files(suite: Suite, info: DataSetInfo) -> dict[str, Path]:
    """Where the files of a suite's noise lie, by the hash that stands for them in specifications."""
    files = {}
    for entry in suite.noise:
        if "file" in entry.options:
            options = noise_models.resolve_options(info, entry.model, entry.options)
            files[options["sha256"]] = expanded(options["file"]).absolute()
    return files


def noise_parts(suite: Suite, info: DataSetInfo, where: str) -> tuple[list[specification.Noise], list[str]]:
    """The noise parts of all settings of a suite, and warnings.

    Raises UserError, DataError; also where two settings have one title, as tables and records go by titles.
    """
    parts: list[specification.Noise] = []
    titles: set[str] = set()
    warnings: list[str] = []
    for entry in suite.noise:
        try:
            for settings, raised in noise_settings(entry, info):
                title = noise_models.title(settings.model, settings.rate, settings.options)
                if title in titles:
                    raise UserError(
                        f"key 'noise': {title!r} stands in the suite twice; settings need titles of their own: other "
                        "rates or options, or files of other names"
                    )
                titles.add(title)
                parts.append(settings)
                warnings += raised
        except (UserError, DataError) as fault:
            raise type(fault)(f"{where}: {fault}") from None
    return parts, warnings


def _validation_settings(validation: Validation) -> specification.Validation:
    """The settings that say which images are held out; no size where it is not used."""
    sized = validation.source in ("inside", "outside")
    return specification.Validation(validation.source, validation.size if sized else 0, validation.stratified)


def check_validation(data: Data, validation: Validation, info: DataSetInfo, where: str, key: str) -> None:
    """Refuse a subset or a validation set that the data set cannot give. key: where the validation set stands."""
    if data.subset is not None and data.subset > info.num_train:
        raise UserError(f"{where}: key 'data.subset' = {data.subset}: {data.name} has {info.num_train} training images")
    if validation.stratified and validation.source != "inside":
        raise UserError(f"{where}: key '{key}.stratified': is for source = 'inside' only")
    if validation.source == "none":
        return
    if validation.source == "official":
        if info.num_validation:
            return
        raise UserError(f"{where}: key '{key}.source' = 'official': {data.name} has no validation set")
    subset = data.subset or info.num_train
    room = subset - 1 if validation.source == "inside" else info.num_train - subset
    if not 1 <= validation.count(subset) <= room:
        accepted = f"must select between 1 and {room} images" if room > 0 else "no image is left for it"
        raise UserError(f"{where}: key '{key}.size' = {validation.size}: {accepted}")


def check_selection(name: str, validation: Validation, where: str) -> None:
    """Refuse a selection rule that is not known, or that lacks its validation set. Raises UserError."""
    if name not in RULES:
        raise unknown("selection rule", name, RULES.names, where)
    if RULES[name].needs and validation.source == "none":
        raise UserError(f"{where} = {name!r} needs a validation set: see 'data.validation'")


def trusted_settings(data: Data, info: DataSetInfo, where: str) -> specification.Trusted:
    """The trusted samples of a row whose method needs them. Raises UserError where there can be none."""
    trusted = data.trusted
    if trusted is None:
        raise UserError(
            f"{where}: the method needs samples with true labels, and key 'data.trusted' is missing, such as "
            "data.trusted = { size = 1000, per_class = true }"
        )
    here, room = f"{where}: key 'data.trusted", data.subset or info.num_train
    if not info.truth:
        raise UserError(f"{here}': the true labels of {info.name!r} are not known")
    room -= data.validation.count(room) if data.validation.source == "inside" else 0
    if trusted.size >= room:
        raise UserError(f"{here}.size' = {trusted.size}: must leave some of the {room} training images")
    if trusted.per_class and trusted.size % info.num_classes:
        raise UserError(f"{here}.size' = {trusted.size}: per class, a multiple of {info.num_classes}, the classes")
    return specification.Trusted(trusted.size, trusted.per_class)


def check_trusted_used(suite: Suite, where: str) -> None:
    """Refuse trusted samples that no row's method uses."""
    rows = ((row.method or name) for name, row in suite.methods.items())
    if suite.data.trusted is not None and not any("trusted" in methods.info(name).needs for name in rows):
        raise UserError(f"{where}: key 'data.trusted': no method of the suite uses samples with true labels")


def augmentation_settings(training: Training, info: DataSetInfo, where: str) -> specification.Augmentation:
    """The augmentation of a specification; `resize` and `crop` stand there only where images are files."""
    augmentation = specification.Augmentation(**training.augmentation.model_dump())
    if augmentation.strong is not None:
        VIEW_POLICIES.get(augmentation.strong, f"{where}: key 'training.augmentation.strong'")
    if info.resize is None:
        for key in ("resize", "crop"):
            if getattr(augmentation, key) is not None:
                raise UserError(f"{where}: key 'training.augmentation.{key}': the images of {info.name!r} are no files")
        return augmentation
    resize = info.resize if augmentation.resize is None else augmentation.resize
    crop = info.image_shape[0] if augmentation.crop is None else augmentation.crop
    if crop > resize:
        raise UserError(f"{where}: key 'training.augmentation.crop' = {crop}: must be at most resize = {resize}")
    if augmentation.crop_padding:
        raise UserError(
            f"{where}: key 'training.augmentation.crop_padding': the images of {info.name!r} are files; use resize and "
            "crop"
        )
    return replace(augmentation, resize=resize, crop=crop)


def check_images(info: DataSetInfo, training: Training, augmentation: specification.Augmentation, where: str) -> None:
    """Refuse a network or an augmentation that cannot take the data set's images."""
    height, width, channels = info.image_shape
    if augmentation.crop is not None:
        height = width = augmentation.crop
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


def told_rate(suite: Suite, info: DataSetInfo, where: str) -> float | None:
    """For a method that is told the noise rate: the one that stands for the expected rate; None: that itself."""
    told = suite.noise_rate
    if told is None and not info.truth:
        told = info.estimated_rate
        if told is None:
            raise UserError(f"{where}: key 'noise_rate' is missing: the method is told it, and nobody has estimated it")
    return told


def dataset_settings(
    suite: Suite, data: Described, training_rows: str, validation: Validation, trusted: bool, where: str
) -> specification.Dataset:
    """The data set of a specification. trusted: the row's method needs samples with true labels."""
    if training_rows == "clean_only" and not data.info.truth:
        raise UserError(f"{where}: training_rows = 'clean_only': the true labels of {data.info.name!r} are not known")
    return specification.Dataset(
        name=suite.data.name,
        version=data.info.version,
        subset=suite.data.subset,
        validation=_validation_settings(validation),
        training_rows=training_rows,
        content=data.content,
        file=suite.data.file,
        copies=suite.data.copies,
        trusted=trusted_settings(suite.data, data.info, where) if trusted else None,
    )
