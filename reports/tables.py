"""The tables of a suite: accuracy by method and setting, every selection rule, detection, other measures, noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pandas as pd

from reports.gather import Section, mean_std
from reports.model import HOLE, Cell, Column, Table, mean_text, number, number_cell, percent, words
from results import aggregate, statistics
from results.aggregate import RULES
from results.statistics import Best

BOUND = "clean labels"
"""The privilege of a row that is no competitor but a bound: it is trained on correct labels."""


def accuracy_tables(section: Section, best: Best | None) -> list[Table]:
    """Mean ± sample deviation (n) by method and setting, one table a data set, with cost and privileges.

    `best` says what is bold; None in a `reproduce` suite, where nothing is ranked.
    """
    return [_accuracy_table(section, dataset, best) for dataset in section.datasets]


def _accuracy_table(section: Section, dataset: str, best: Best | None) -> Table:
    chosen = section.cells[(section.cells["dataset"] == dataset) & (section.cells["rule"] == section.select)]
    settings = section.settings(dataset)
    ranked = best is not None and len(section.places) > 1
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
            row.append(Cell(percent(mean), None if math.isnan(mean) else mean, bold=bold))
        rows.append((*row, *_cost_cells(section, dataset, method), _privilege_cell(section, dataset, method)))
    name = f"{section.name}-accuracy" + ("" if len(section.datasets) == 1 else f"-{dataset}")
    title = f"{section.title}: test accuracy (%) on {section.dataset_title(dataset)}, {RULES[section.select].title}"
    notes = [*_accuracy_notes(section, chosen, best), *_hole_notes(chosen)]
    columns.append(Column("privileges", False))
    return Table(name, title, tuple(columns), tuple(rows), tuple(notes), _cells_data(chosen))


def _accuracy_cell(section: Section, mine: pd.DataFrame, dataset: str, setting: str, method: str) -> Cell:
    found = mine[mine["setting"] == setting]
    if found.empty:
        return Cell(HOLE, hint="not planned")
    return value_cell(found.iloc[0], section.done(dataset, setting, method)["address"])


def value_cell(cell: pd.Series, runs: Iterable[str]) -> Cell:
    """A row of `aggregate.cells` as it is shown: a hole says why it is one."""
    if cell["n"] == 0:
        return Cell(f"{HOLE} ({cell['reason']})", hint=str(cell["reason"]))
    text = mean_text(cell["mean"], cell["std"], int(cell["n"]), int(cell["planned"]))
    return Cell(text, float(cell["mean"]), hint=str(cell["reason"]), runs=tuple(runs))


def _cost_cells(section: Section, dataset: str, method: str) -> list[Cell]:
    found = section.frame[(section.frame["dataset"] == dataset) & (section.frame["row"] == method)]
    digits = {"passes_per_step": 1, "images_per_second": 0, "seconds": 0}
    seconds = mean_std(found["seconds"])[0]
    digits["seconds"] = 1 if seconds < 100 else 0
    return [number_cell(mean_std(found[name])[0], places) for name, places in digits.items()]


def _privilege_cell(section: Section, dataset: str, method: str) -> Cell:
    found = section.frame[(section.frame["dataset"] == dataset) & (section.frame["row"] == method)]
    marks = dict.fromkeys(mark.replace("_", " ") for marks in found["privileges"] for mark in marks)
    return words(", ".join(marks) or HOLE)


def _accuracy_notes(section: Section, cells: pd.DataFrame, best: Best | None) -> list[str]:
    notes = [
        f"Selection rule: {RULES[section.select].title}. Mean ± sample standard deviation over seeds (number of runs)."
    ]
    if best is None:
        notes.append("Each method under its own paper's protocol: nothing is ranked, nothing is bold.")
    elif best.bold:
        level = f"{statistics.ALPHA:g}"
        notes.append(
            "Bold: the best mean over settings and all methods that an exact sign-flip test over (setting, seed) pairs "
            f"does not separate from it (family-wise level {level}, Holm)."
        )
    else:
        notes.append(f"Nothing is bold: {best.reason}.")
    if BOUND in {mark for marks in section.frame["privileges"] for mark in marks}:
        notes.append("Rows with clean labels are bounds: they are neither ranked nor tested.")
    if ((cells["n"] > 1) & (cells["noise_draws"] < cells["n"])).any():
        notes.append("Where several runs share one set of (human) labels, n counts initialisations, not noise draws.")
    notes.append("Passes: network passes per training step. Cost figures are means and depend on the machine.")
    if remark := section.plan.get("remark"):
        notes.append(str(remark))
    return notes


def _hole_notes(cells: pd.DataFrame) -> list[str]:
    gaps = cells[(cells["n"] < cells["planned"]) & (cells["n"] > 0)]
    return [f"{gap.title}, {gap.setting}: {gap.n} of {gap.planned} runs ({gap.reason})." for gap in gaps.itertuples()]


_DATA = ["dataset", "setting", "method", "title", "rule", "mean", "std", "n", "planned", "noise_draws", "reason"]


def _cells_data(cells: pd.DataFrame) -> tuple[list[str], list[list[object]]]:
    names = [f"{name}_percent" if name in ("mean", "std") else name for name in _DATA]
    scaled = cells[_DATA].assign(mean=(100 * cells["mean"]).round(6), std=(100 * cells["std"]).round(6))
    return names, scaled.to_numpy(dtype=object).tolist()


def rules_table(section: Section) -> Table:
    """Every selection rule side by side."""
    columns = [Column("setting", False), Column("method", False), *(Column(rule.title) for rule in RULES.values())]
    rows = []
    for _, group in section.cells.groupby(["dataset", "setting", "method"], sort=False):
        dataset, setting, method = (str(group[name].iloc[0]) for name in ("dataset", "setting", "method"))
        runs = section.done(dataset, setting, method)["address"]
        by_rule = {cell["rule"]: value_cell(cell, runs) for _, cell in group.iterrows()}
        place = words(section.place_title(dataset, setting))
        rows.append((place, words(group["title"].iloc[0]), *(by_rule[name] for name in RULES)))
    notes = (
        "Test accuracy (%), mean ± sample standard deviation (n), by the rule that chooses the epoch. "
        "The best test epoch is an oracle: no one could have chosen it without test labels.",
    )
    title = f"{section.title}: test accuracy by every selection rule"
    return Table(f"{section.name}-rules", title, tuple(columns), tuple(rows), notes, _cells_data(section.cells))


def order_table(section: Section) -> Table | None:
    """Pairs of methods whose order depends on the selection rule; None where there are none."""
    changes = aggregate.order_changes(section.cells, section.select)
    if changes.empty:
        return None
    labels = ("setting", "better", "worse", "reversed by", "difference", "then")
    columns = tuple(Column(label, position > 3) for position, label in enumerate(labels))
    rows = tuple(
        (
            words(section.place_title(str(pair.dataset), str(pair.setting))),
            *(words(str(text)) for text in (pair.better, pair.worse, RULES[str(pair.rule)].title)),
            *(Cell(percent(gap, sign=True), gap) for gap in (_float(pair.difference), _float(pair.other_difference))),
        )
        for pair in changes.itertuples()
    )
    notes = (f"Better and worse by {RULES[section.select].title}; differences of mean accuracy in points.",)
    return Table(f"{section.name}-order", f"{section.title}: order changed by the selection rule", columns, rows, notes)


def order_lines(section: Section) -> list[str]:
    """One line for each setting in which the selection rule decides the order of some methods, naming the pairs."""
    changes = aggregate.order_changes(section.cells, section.select)
    lines = []
    for (dataset, setting), group in changes.groupby(["dataset", "setting"], sort=False):
        pairs = [
            f"{worse} overtakes {better} by {', '.join(RULES[name].title for name in pair['rule'])}"
            for (better, worse), pair in group.groupby(["better", "worse"], sort=False)
        ]
        place = section.place_title(str(dataset), str(setting))
        lines.append(f"{place}: instead of by {RULES[section.select].title}, {'; '.join(pairs)}")
    return lines


def _float(value: object) -> float:
    return float(value)  # type: ignore[arg-type]  # a column of floats, read through itertuples


_DETECTION = {
    "ROC-AUC, last": "detection.given_label_last.roc_auc",
    "ROC-AUC, mean": "detection.given_label_mean.roc_auc",
    "ROC-AUC, own": "detection.own.roc_auc",
    "AP, mean": "detection.given_label_mean.average_precision",
    "base rate": "detection.given_label_mean.base_rate",
    "P at k, mean": "detection.given_label_mean.precision_at_k",
    "precision": "detection.decision.precision",
    "recall": "detection.decision.recall",
}
_MEASURES = {
    "memorised": "memorised",
    "ECE": "final.ece",
    "NLL": "final.nll",
    "ensemble": "final.ensemble.test_accuracy",
    "member 1": "final.members.0.test_accuracy",
    "member 2": "final.members.1.test_accuracy",
}


def detection_table(section: Section) -> Table | None:
    """How well each method's scores find the mislabelled samples; None where no label is wrong."""
    notes = (
        "Positive: mislabelled. Scores: probability of the given label in the training passes (last epoch; mean over "
        "epochs), and the method's own. AP: average precision, to be held against the base rate. P at k: precision at "
        "k = number mislabelled. Precision and recall: the method's own decision. All in %, mean ± sample standard "
        "deviation (n).",
    )
    return _measured(section, "detection", "finding the wrong labels", _DETECTION, {}, notes)


def measures_table(section: Section) -> Table | None:
    """Memorisation, calibration, likelihood, and each network of the methods that have several."""
    notes = (
        "At the last epoch; mean ± sample standard deviation (n). Memorised: share (%) of the mislabelled training "
        "samples predicted as their wrong label. ECE: expected calibration error (%, 15 bins). NLL: negative "
        "log-likelihood (nats). Ensemble and members: test accuracy (%) of methods with several networks.",
    )
    return _measured(section, "measures", "other measures", _MEASURES, {"NLL": _plain_text}, notes)


def _measured(
    section: Section, name: str, title: str, keys: dict[str, str],
    writers: dict[str, Callable[[float, float, int], str]], notes: tuple[str, ...],
) -> Table | None:  # fmt: skip
    rows, data = [], []
    for dataset, setting in section.places:
        for method, method_title in section.methods.items():
            found = section.done(dataset, setting, method)
            figures = [mean_std([_measure(section, run, key) for run in found["address"]]) for key in keys.values()]
            if not any(n for _, _, n in figures):
                continue
            cells = [
                Cell(writers.get(label, mean_text)(*figure), figure[0], runs=tuple(found["address"]))
                if figure[2] else Cell(HOLE)
                for label, figure in zip(keys, figures, strict=True)
            ]  # fmt: skip
            rows.append((words(section.place_title(dataset, setting)), words(method_title), *cells))
            data += [
                (dataset, setting, method, key, *(round(part, 8) for part in figure[:2]), figure[2])
                for key, figure in zip(keys.values(), figures, strict=True) if figure[2]
            ]  # fmt: skip
    used = [position for position in range(len(keys)) if any(row[2 + position].runs for row in rows)]
    if not used:
        return None
    kept = tuple((*row[:2], *(row[2 + position] for position in used)) for row in rows)
    labels = [Column(label) for position, label in enumerate(keys) if position in used]
    columns = (Column("setting", False), Column("method", False), *labels)
    header = ("dataset", "setting", "method", "quantity", "mean", "std", "n")
    return Table(f"{section.name}-{name}", f"{section.title}: {title}", columns, kept, notes, (header, data))


def _plain_text(mean: float, std: float, n: int) -> str:
    spread = "" if math.isnan(std) else f" ± {number(std, 3)}"
    return f"{number(mean, 3)}{spread} ({n})"


def _measure(section: Section, address: str, key: str) -> float:
    if key == "memorised":
        found = section.frame.loc[section.frame["address"] == address, "memorised"]
        return float(found.iloc[0])
    value: object = section.material.records[address]
    for part in key.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return math.nan
    return float(value) if isinstance(value, (int, float)) else math.nan


def noise_table(section: Section) -> Table | None:
    """What the noise really is: nominal and measured share of wrong labels, and the fingerprint for each seed."""
    rows, data = [], []
    for dataset, setting in section.places:
        found = section.done(dataset, setting).drop_duplicates(["seed", "fingerprint"])
        for run in found.itertuples():
            noise = section.material.records[str(run.address)]["noise"]
            nominal, actual = _float(run.noise_rate), _float(run.actual_rate)
            train = float(noise.get("train_rate", math.nan))
            rows.append((
                words(section.place_title(dataset, setting)), Cell(str(run.seed), _float(run.seed)),
                *(Cell(percent(rate), rate) for rate in (nominal, actual, train)),
                words(str(run.fingerprint)[:12], hint=str(run.fingerprint)),
            ))  # fmt: skip
            data.append((dataset, setting, run.seed, nominal, actual, train, run.fingerprint))
    if not rows:
        return None
    labels = ("setting", "seed", "nominal rate", "wrong labels", "wrong in training", "fingerprint")
    columns = tuple(Column(label, 0 < position < 5) for position, label in enumerate(labels))
    notes = (
        "Shares in %. Wrong labels: given label differs from the true one, in the whole official training set; in "
        "training: in the images trained on. All methods of a setting and seed have the labels of this fingerprint.",
    )
    header = ("dataset", "setting", "seed", "nominal_rate", "actual_rate", "train_rate", "fingerprint")
    title = f"{section.title}: the noisy labels"
    return Table(f"{section.name}-noise", title, columns, tuple(rows), notes, (header, data))
