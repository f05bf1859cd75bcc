"""The accuracy tables of a suite: by method and setting, with cost and privileges, and what must be known of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from reports.competition import best_of, untested_notes
from reports.costs import COST_COLUMNS, cost_data, cost_note, machines
from reports.deviations import deviation_notes, deviations_of, selection_notes
from reports.gather import Section
from reports.health import diverged_notes, hole_text, mark_of
from reports.model import HOLE, Column, Table, TableCell, mean_std, mean_text, number_cell, percent_cell, words
from reports.names import fit
from reports.provenance import runner_notes
from results import statistics
from results.aggregate import RULES
from results.best import Best
from results.noise_names import is_clean
from results.record import left_out_text


def accuracy_tables(section: Section, best: Best | None) -> list[Table]:
    """Mean ± sample deviation (n) by method and setting, one table a data set, with cost and privileges.

    best: of all settings, None in a `reproduce` suite, where nothing is ranked. What is bold in a table, and its mean,
    is over the settings that it shows.
    """
    if len(section.datasets) == 1:
        return [_accuracy_table(section, section.datasets[0], best)]
    return [_accuracy_table(section, dataset, best_of(section, dataset)) for dataset in section.datasets]


def _accuracy_table(section: Section, dataset: str, best: Best | None) -> Table:
    chosen = section.selected[section.selected["dataset"] == dataset]
    settings = section.settings(dataset)
    ranked = best is not None and len(settings) > 1
    columns = [Column("method", False), *(Column(setting) for setting in settings)]
    columns += [Column("mean of settings")] * ranked + [Column("passes"), Column("images/s"), Column("s/run")]
    rows = []
    for method, title in section.methods.items():
        mine = chosen[chosen["method"] == method]
        if mine.empty:
            continue
        bold = best is not None and method in best.bold
        row = [words(title, bold=bold)]
        row += [_accuracy_cell(section, mine, dataset, setting, method) for setting in settings]
        if ranked and best is not None:
            mean = best.means.get(method, math.nan)
            shown = (section.frame["row"] == method) & (section.frame["dataset"] == dataset)
            runs = section.frame.loc[shown, "address"]
            row.append(replace(percent_cell(mean, runs=() if math.isnan(mean) else runs), bold=bold))
        rows.append((*row, *_cost_cells(section, dataset, method), _privilege_cell(section, dataset, method)))
    name = f"{section.name}-accuracy" + ("" if len(section.datasets) == 1 else f"-{fit(dataset)}")
    title = f"{section.title}: test accuracy (%) on {section.dataset_title(dataset)}, {RULES[section.select].title}"
    notes = [*_accuracy_notes(section, chosen, best), *_hole_notes(chosen), *diverged_notes(section, dataset)]
    notes += [*selection_notes(section, dataset), *deviation_notes(section, dataset)]
    notes += runner_notes(section.frame[section.frame["dataset"] == dataset])
    columns.append(Column("privileges", False))
    return Table(name, title, tuple(columns), tuple(rows), tuple(notes), _data(section, chosen))


def _data(section: Section, cells: pd.DataFrame) -> tuple[list[str], list[list[object]]]:
    """The csv of an accuracy table, with what each cell cost and where; of a reproduction with in what each cell is
    not its paper's procedure."""
    names, rows = cells_data(cells)
    known = machines(section.material)
    costs = [cost_data(section, section.done(*map(str, row[:3]))["address"], known) for row in rows]
    names, rows = [*names, *COST_COLUMNS], [[*row, *cost] for row, cost in zip(rows, costs, strict=True)]
    if section.compares:
        return names, rows
    declared = ["; ".join(deviations_of(section, *map(str, row[:3]))) for row in rows]
    return [*names, "deviations"], [[*row, text] for row, text in zip(rows, declared, strict=True)]


def _accuracy_cell(section: Section, mine: pd.DataFrame, dataset: str, setting: str, method: str) -> TableCell:
    cells = mine[mine["setting"] == setting]
    if cells.empty:
        return TableCell(HOLE, hint="not planned")
    return value_cell(cells.iloc[0], section.done(dataset, setting, method)["address"])


def value_cell(cell: pd.Series, runs: Iterable[str]) -> TableCell:
    """A row of `aggregate.cells` as it is shown: a hole says why it is one. `health.marked` adds what collapsed."""
    if cell["n"] == 0:
        return TableCell(hole_text(cell), hint=str(cell["reason"]))
    text = mean_text(cell["mean"], cell["std"], int(cell["n"]), int(cell["planned"])) + mark_of(cell)
    fractions = (float(cell["mean"]), float(cell["std"]))
    return TableCell(text, fractions[0], hint=str(cell["reason"]), runs=tuple(runs), fractions=fractions)


def _cost_cells(section: Section, dataset: str, method: str) -> list[TableCell]:
    runs = section.frame[(section.frame["dataset"] == dataset) & (section.frame["row"] == method)]
    digits = {"passes_per_step": 1, "images_per_second": 0, "seconds": 0}
    seconds = mean_std(runs["seconds"])[0]
    digits["seconds"] = 1 if seconds < 100 else 0
    return [number_cell(mean_std(runs[name])[0], places) for name, places in digits.items()]


def _privilege_cell(section: Section, dataset: str, method: str) -> TableCell:
    runs = section.frame[(section.frame["dataset"] == dataset) & (section.frame["row"] == method)]
    marks = dict.fromkeys(mark.replace("_", " ") for marks in runs["privileges"] for mark in marks)
    return words(", ".join(marks) or HOLE)


def _accuracy_notes(section: Section, cells: pd.DataFrame, best: Best | None) -> list[str]:
    notes = [
        f"Selection rule: {RULES[section.select].title}. Mean ± sample standard deviation over seeds (number of runs)."
    ]
    if best is None:
        notes.append("Each method under its own paper's protocol: nothing is ranked, nothing is bold.")
    elif best.bold:
        notes.append(
            f"Bold: the best mean over {'the settings of this table' if len(section.datasets) > 1 else 'settings'} and "
            "all methods that are not significantly worse: sign flips over (setting, seed), settings weighing alike, "
            f"all pairs of methods tested together (family-wise level {statistics.ALPHA:g})."
        )
        notes += untested_notes(section, best)
    else:
        notes.append(f"Nothing is bold: {best.reason}.")
    if section.clean_rows:
        notes.append("Rows trained with clean labels are neither ranked nor tested.")
    noisy = section.frame.loc[~section.frame["noise_model"].map(is_clean), "setting"]
    if (cells["setting"].isin(noisy) & (cells["n"] > 1) & (cells["noise_draws"] < cells["n"])).any():
        notes.append("Where several runs share one set of (human) labels, n counts initialisations, not noise draws.")
    notes.append(f"Passes: network passes over each image of an epoch. {cost_note(section)}")
    notes += _trial_notes(section, list(dict.fromkeys(cells["method"])))
    notes += _data_notes(section, str(cells["dataset"].iloc[0]))
    if remark := section.plan.get("remark"):
        notes.append(str(remark))
    return notes


def _trial_notes(section: Section, methods: list[str]) -> list[str]:
    """How many tuning trials each row had, where any had some; unequal numbers are no fair comparison."""
    counts = section.plan.get("trials", {})
    trials = {method: int(counts.get(method, 0)) for method in methods if method not in section.clean_rows}
    if not any(trials.values()):
        return []
    if len(set(trials.values())) == 1:
        return [f"Settings: the best of {next(iter(trials.values()))} tuning trials for each row."]
    told = ", ".join(f"{section.methods[method]} {count}" for method, count in trials.items())
    unfair = "; numbers differ, so the comparison favours rows with more" if section.compares else ""
    return [f"Tuning trials: {told}{unfair}."]


_SCORED = {
    "default": "are scored as their authors do",
    "mean": "are scored by the mean of their networks' accuracies",
    "ensemble": "are scored by their ensemble",
    "first": "are scored by their first network",
}


def _data_notes(section: Section, dataset: str) -> list[str]:
    """What must be known of the networks scored, and of the labels of test and training images."""
    addresses = section.frame.loc[section.frame["dataset"] == dataset, "address"]
    records = [section.material.records[address] for address in addresses]
    several = {record["spec"].get("scored") for record in records if record["cost"].get("networks", 1) > 1}
    notes = [f"Methods with several networks {_SCORED[how]}." for how in _SCORED if how in several]
    if any(record.get("data", {}).get("test_labels") == "given" for record in records):
        notes.append("The test labels are given ones: some are wrong, so that no method can reach 100%.")
    if any(record.get("data", {}).get("true_labels") == "unknown" for record in records):
        notes.append("The true labels of the training images are not known: nothing is said of memorisation.")
    left_out = dict.fromkeys(left_out_text(record) for record in records)
    notes += [f"Left out of the data as broken: {text}." for text in left_out if text]
    return notes


def _hole_notes(cells: pd.DataFrame) -> list[str]:
    gaps = cells[(cells["n"] < cells["planned"]) & (cells["n"] > 0)]
    return [f"{gap.title}, {gap.setting}: {gap.n} of {gap.planned} runs ({gap.reason})." for gap in gaps.itertuples()]


_DATA = ["dataset", "setting", "method", "title", "rule", "mean", "std", "n", "planned", "noise_draws", "collapsed",
         "diverged", "reason"]  # fmt: skip


def cells_data(cells: pd.DataFrame) -> tuple[list[str], list[list[object]]]:
    names = [f"{name}_percent" if name in ("mean", "std") else name for name in _DATA]
    scaled = cells[_DATA].assign(mean=(100 * cells["mean"]).round(6), std=(100 * cells["std"]).round(6))
    return names, scaled.to_numpy(dtype=object).tolist()
