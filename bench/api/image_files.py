"""What commands do with image files before a run: find the broken ones, make copies, and show how far that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from bench.planning.settings import Suite
from bench.planning.spec import Cell
from bench.planning.spec_data import choice_of
from bench.training.environment import Environment
from common.errors import shortened
from datasets import disk, image_check, index_checks, listing, resized
from datasets import registry as datasets
from datasets.base import DataError, DataSet, ImageFiles, Report
from datasets.index import Index
from datasets.noise import make_noise
from datasets.noise_models import NOISE_MODELS

SHOWN_PAIRS = 3  # images of two splits that are the same


@contextmanager
def shown(console: Console, title: str) -> Iterator[Report]:
    """A bar on a terminal, a line for each further tenth elsewhere; nothing where there is nothing to do."""
    if console.is_terminal:
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(TextColumn("{task.description}", markup=False), *columns, console=console, transient=True) as bars:
            task = bars.add_task(title, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)
    else:
        yield _lines(console, title)


def _lines(console: Console, title: str) -> Report:
    told = 0

    def report(done: int, total: int | None) -> None:
        nonlocal told
        tenth = 10 * done // total if total else 0
        if tenth > told:
            told = tenth
            console.print(f"{title}: {done:,} of {total:,}", highlight=False, soft_wrap=True)

    return report


def read_all(console: Console, name: str, index: Index, jobs: int) -> None:
    """Read every image that was not read before. Raises DataError where the index cannot be written."""
    try:
        with shown(console, f"{name}: reading all images") as progress:
            image_check.check_images(index, jobs, progress)
    except OSError as fault:
        raise DataError(f"{name}: the check cannot be kept: {fault.strerror}: {fault.filename}") from None


def find_broken(console: Console, part: Suite, root: Path | None) -> None:
    """Read every image of a suite's data set that was not read before, or has changed since.

    Raises DataError where lists are missing or the index cannot be written.
    """
    name = part.data.name
    if datasets.DATASETS[name].lists is None:
        return
    sources = disk.complete(name, root or datasets.default_root(), part.data.file)
    if not image_check.is_current(disk.opened(name, sources, datasets.user_cache())):
        index = disk.opened(name, sources, datasets.user_cache(), to_check=True)
        read_all(console, name, index, image_check.default_jobs())


def remarks(index: Index) -> list[str]:
    """What a user should know of image files that are no faults: how they were read, and which stand in two splits."""
    lines = list(index.remarks)
    lines += [f"images {done}: {count:,}" for done, count in index_checks.adjusted(index).items()]
    for (one, other), pairs in index_checks.twins(index).items():
        some = ", ".join(f"{listing.shown(ours)} = {listing.shown(theirs)}" for ours, theirs in pairs[:SHOWN_PAIRS])
        more = ", ..." if len(pairs) > SHOWN_PAIRS else ""
        lines.append(f"{other} images that stand in {one} too, as the same bytes: {len(pairs):,} ({some}{more})")
    return lines


def _tell(console: Console, part: Suite, root: Path | None, skip_broken: bool) -> None:
    """Say of image files what their check found, and what is left out."""
    name = part.data.name
    sources = disk.complete(name, root or datasets.default_root(), part.data.file)
    index = disk.opened(name, sources, datasets.user_cache())
    lines = [*sources.remarks, *remarks(index)] if datasets.DATASETS[name].own_images else []
    left_out = disk.skipped(index) if skip_broken else {}
    if left_out:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in left_out.items())
        lines.append(f"{sum(left_out.values()):,} broken entries are left out: {kinds}")
    for line in lines:
        console.print(shortened(f"warning: {name}: {line}"), style="yellow", highlight=False, soft_wrap=True)


def make_ready(console: Console, parts: Sequence[Suite], cells: Sequence[Cell], environment: Environment) -> None:
    """Find the data and what else the runs need, so that what is missing is told before anything is written.

    A user's own images are all read once before, so that no run stumbles over one. Raises DataError, UserError.
    """
    for part in parts:
        declared = datasets.DATASETS[part.data.name]
        if declared.own_images:
            find_broken(console, part, environment.data)
        if declared.lists is not None:
            _tell(console, part, environment.data, environment.skip_broken)
        choice = choice_of(part, environment.skip_broken)
        own_models = {entry.model for entry in part.noise if NOISE_MODELS[entry.model].info.dataset is not None}
        if not own_models and not choice.copies:
            datasets.verify(part.data.name, environment.data, choice)
            continue
        dataset = datasets.load(part.data.name, environment.data, choice)
        for model in own_models:
            make_noise(dataset, model, 0.0, {}, 0)
        if choice.copies:
            own = [cell.spec for cell in cells if cell.spec.dataset.name == part.data.name]
            for resize in sorted({size for spec in own if (size := spec.augmentation.resize) is not None}):
                _make_copies(console, dataset, resize)
    for network in sorted({cell.spec.network for cell in cells if cell.spec.pretrained}):
        from bench.networks.imagenet import find_weights  # imports torch

        find_weights(network, environment.weights)


def _make_copies(console: Console, dataset: DataSet, resize: int) -> None:
    sets = [dataset.train, dataset.test, *dataset.further_tests.values()]
    if dataset.validation is not None:
        sets.append(dataset.validation.images)
    try:
        for images in sets:
            assert isinstance(images, ImageFiles)
            with shown(console, f"{dataset.name}: copies of {resize} pixels") as progress:
                resized.make(images, resize, image_check.default_jobs(), progress)
    except OSError as fault:
        raise DataError(f"{dataset.name}: copies cannot be written: {fault.strerror}: {fault.filename}") from None
