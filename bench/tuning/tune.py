"""Tuning: trials as ordinary runs, and the choice by noisy validation labels alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from bench.planning.settings import MOST_SEEDS, MethodRow, Noise, Suite
from bench.planning.spec import Cell
from bench.recipe.validation import validate_part
from bench.tuning.search import Space, applied, draw
from common.errors import UserError, unknown
from datasets import noise as noise_models
from methods import registry as methods
from methods.hyper import Value
from results.health import collapse_on_validation, is_divergence
from results.store import Store

FIRST_SEED = MOST_SEEDS  # tuning seeds are apart from the seeds that are reported, which are counted from 0
PREFERRED = "symmetric 40%"
TRIAL, ACCURACY, STATE = "trial", "noisy_validation_accuracy", "state"  # columns of the list of trials


@dataclass(frozen=True)
class Trial:
    """Settings that are tried. Number 0 has none of its own: it is the row as the suite has it."""

    number: int
    values: Mapping[str, Value]

    @property
    def row(self) -> str:
        """The name of its row in the plan."""
        return f"trial-{self.number:03d}"


@dataclass(frozen=True)
class Score:
    """What came of a trial: last-epoch accuracy on noisy validation labels of each finished run, and what failed.

    settings: the values that it was run with, also those that it did not draw. collapsed: how many of the finished runs
    did, by noisy validation alone.
    """

    trial: Trial
    settings: Mapping[str, Value]
    accuracies: tuple[float, ...]
    failures: tuple[str, ...]
    planned: int
    collapsed: int = 0

    @property
    def accuracy(self) -> float | None:
        """The mean over settings and seeds; None where a run is missing."""
        return fmean(self.accuracies) if len(self.accuracies) == self.planned else None

    @property
    def state(self) -> str:
        """Why there is no accuracy, or why it is none of a sound trial, in a word or two."""
        if self.accuracy is not None and self.collapsed:
            return "collapsed" if self.collapsed == self.planned else f"{self.collapsed} of {self.planned} collapsed"
        if not self.failures:
            return "" if self.accuracy is not None else "to do"
        return "diverged" if all(is_divergence(text) for text in self.failures) else "failed"


@dataclass(frozen=True)
class Search:
    """What is tried: the part of the suite that is tuned, and the suite whose rows are the trials.

    settings: the noise settings that are tuned at, by title. how: what the trials are, in a few words.
    """

    part: Suite
    space: Space
    trials: Sequence[Trial]
    settings: Mapping[str, Noise]
    suite: Suite
    how: str

    @property
    def places(self) -> str:
        return " and ".join(self.settings)

    def source(self, best: Score, seeds: int) -> str:
        """Where the chosen settings come from, for the suite file."""
        return (
            f"tune: trial {best.trial.number} of {len(self.trials)}, {self.how} at {self.places}, {seeds} "
            f"{'seed' if seeds == 1 else 'seeds'} from {FIRST_SEED}, last epoch's noisy validation accuracy "
            f"{100 * fmean(best.accuracies):.2f}%"
            f"{f' ({best.state})' if best.state else ''}; searched: "
            f"{'; '.join(f'{name} {axis}' for name, axis in self.space.items())}"
        )


def noise_tables(part: Suite) -> dict[str, Noise]:
    """Each noise setting of a suite by its title."""
    by_title = {}
    for entry in part.noise:
        for rate in entry.rates or (entry.rate,):
            title = noise_models.title(entry.model, rate or 0.0, entry.options)
            by_title[title] = entry.model_copy(update={"rate": rate, "rates": None})
    return by_title


def choose_settings(part: Suite, wanted: Sequence[str]) -> dict[str, Noise]:
    """The settings to tune at: those named, else symmetric 40%, else the first noisy one. Raises UserError."""
    known = noise_tables(part)
    for title in wanted:
        if title not in known:
            raise unknown("setting", title, sorted(known), "--setting")
    if wanted:
        return {title: known[title] for title in wanted}
    noisy = [title for title, entry in known.items() if not noise_models.info(entry.model).is_clean]
    if not noisy:
        raise UserError("the suite has no noisy setting to tune at")
    title = PREFERRED if PREFERRED in known else noisy[0]
    return {title: known[title]}


def check_suite(part: Suite, where: str) -> None:
    """Raise UserError unless the suite compares, and holds out images with noisy labels."""
    if part.purpose != "compare":
        raise UserError(f"{where}: a `reproduce` suite has its papers' settings; only a `compare` suite is tuned")
    if part.data.validation.source not in ("inside", "outside"):
        raise UserError(
            f"{where}: key 'data.validation': tuning needs noisy validation labels, of images outside the subset or "
            "inside it, such as --set 'data.validation={source=\"inside\", size=0.1}'"
        )


def trials(space: Space, count: int) -> list[Trial]:
    """The first `count` trials. Raises UserError where the space has a single point."""
    if all(len(axis.values) == 1 for axis in space.values()):
        raise UserError("--space: nothing is left to search")
    return [Trial(number, draw(space, number) if number else {}) for number in range(count)]


def trial_suite(part: Suite, row: str, tried: Sequence[Trial], noise: Iterable[Noise], where: str) -> Suite:
    """The suite whose rows are the trials. Raises UserError and its kin."""
    raw, rows = part.methods[row].model_dump(exclude_unset=True), {}
    info = methods.info(raw.get("method") or row)
    title = raw.get("title") or info.title
    for trial in tried:
        table = applied(raw, trial.values) | {"method": info.name, "title": f"{title}, trial {trial.number}"}
        rows[trial.row] = validate_part(MethodRow, table, f"{where}: {trial.row}")
    update = {
        "title": f"Tuning of {title}: {part.title}",
        "description": "Trials; their choice rests on noisy validation labels alone.",
        "select": "last",
        "noise": list(noise),
        "methods": rows,
    }
    return part.model_copy(update=update)


def on_tuning_seeds(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, planned for seeds 0, 1, ..., with the tuning seeds instead."""
    return [replace(cell, spec=replace(cell.spec, seed=FIRST_SEED + cell.seed)) for cell in cells]


def scores(store: Store, tried: Sequence[Trial], cells: Sequence[Cell]) -> list[Score]:
    """What came of the trials. Of a record nothing but the accuracy on noisy validation labels is looked at."""
    failed, scored = store.failures(), []
    for trial in tried:
        own = [cell for cell in cells if cell.row == trial.row]
        done = [store.load(cell.address) for cell in own if store.has(cell.address)]
        accuracies = tuple(float(record["curves"]["noisy_validation_accuracy"][-1]) for record in done)
        failures = tuple(failed[cell.address] for cell in own if cell.address in failed)
        spec = own[0].spec
        settings = {**spec.optimizer, **methods.resolve(spec.method.name, spec.method.hyper)}
        judged = [collapse_on_validation(record["curves"], record["data"]["num_classes"]) for record in done]
        collapsed = sum(one is not None for one in judged)
        scored.append(Score(trial, settings, accuracies, failures, len(own), collapsed))
    return scored


def best(scored: Sequence[Score]) -> Score | None:
    """The trial of the highest accuracy; of equals a sound one, then the earliest; None where none is finished.

    So one that collapsed is chosen only where every other is worse, or collapsed too.
    """
    whole = [score for score in scored if score.accuracy is not None]
    return max(whole, key=lambda score: (score.accuracy, -score.collapsed, -score.trial.number), default=None)


def csv_text(scored: Sequence[Score], space: Space) -> str:
    """All trials as CSV: settings, last epoch's accuracy on noisy validation labels, runs, state."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([TRIAL, *space, ACCURACY, "runs", STATE])
    for score in scored:
        values = [score.settings[name] for name in space]
        accuracy = "" if score.accuracy is None else f"{score.accuracy:.6f}"
        writer.writerow([score.trial.number, *values, accuracy, len(score.accuracies), score.state])
    return stream.getvalue()
