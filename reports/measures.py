"""Tables of what is measured beside accuracy: finding the wrong labels, memorisation, calibration, the noise itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from reports.gather import Section
from reports.model import HOLE, Column, Table, TableCell, mean_std, mean_text, number, percent_cell, words

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
    "top-5": "final.test_top5",
    "ensemble": "final.ensemble.test_accuracy",
    "member 1": "final.members.0.test_accuracy",
    "member 2": "final.members.1.test_accuracy",
}


_CONTEXT = "base rate"  # no result by itself: a row that has nothing else is left out


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
        "log-likelihood (nats). Top-5, ensemble, members and further test sets: accuracy (%).",
    )
    further = {
        f"{name.replace('_', ' ')}, {label}": f"final.further_tests.{name}.{key}"
        for address in section.frame["address"]
        for name in section.material.records[address]["final"].get("further_tests", {})
        for label, key in (("top-1", "test_accuracy"), ("top-5", "test_top5"))
    }
    return _measured(section, "measures", "other measures", _MEASURES | further, {"NLL": _plain_text}, notes)


def _measured(
    section: Section, name: str, title: str, keys: dict[str, str],
    writers: dict[str, Callable[[float, float, int], str]], notes: tuple[str, ...],
) -> Table | None:  # fmt: skip
    rows, data = [], []
    for dataset, setting in section.places:
        for method, method_title in section.methods.items():
            runs = section.done(dataset, setting, method)
            collapsed = int(runs["collapsed_epoch"].notna().sum())
            figures = [mean_std([_measure(section, run, key) for run in runs["address"]]) for key in keys.values()]
            if not any(n for label, (_, _, n) in zip(keys, figures, strict=True) if label != _CONTEXT):
                continue
            cells = [
                TableCell(writers.get(label, mean_text)(*figure), figure[0], runs=tuple(runs["address"]),
                          fractions=() if label in writers else figure[:2])
                if figure[2] else TableCell(HOLE)
                for label, figure in zip(keys, figures, strict=True)
            ]  # fmt: skip
            rows.append((words(section.place_title(dataset, setting)), words(method_title), *cells))
            data += [
                (dataset, setting, method, key, *(round(part, 8) for part in figure[:2]), figure[2], collapsed)
                for key, figure in zip(keys.values(), figures, strict=True) if figure[2]
            ]  # fmt: skip
    used = [position for position in range(len(keys)) if any(row[2 + position].runs for row in rows)]
    if not used:
        return None
    kept = tuple((*row[:2], *(row[2 + position] for position in used)) for row in rows)
    labels = [Column(label) for position, label in enumerate(keys) if position in used]
    columns = (Column("setting", False), Column("method", False), *labels)
    header = ("dataset", "setting", "method", "quantity", "mean", "std", "n", "collapsed")
    return Table(f"{section.name}-{name}", f"{section.title}: {title}", columns, kept, notes, (header, data))


def _plain_text(mean: float, std: float, n: int) -> str:
    spread = "" if math.isnan(std) else f" ± {number(std, 3)}"
    return f"{number(mean, 3)}{spread} ({n})"


def _measure(section: Section, address: str, key: str) -> float:
    if key == "memorised":
        return float(section.frame.loc[section.frame["address"] == address, "memorised"].iloc[0])
    value: object = section.material.records[address]
    for part in key.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return math.nan
    return float(value) if isinstance(value, (int, float)) else math.nan


def _nominal_rate(section: Section, run: pd.Series) -> float:
    """The rate that was asked for; NaN where the noise takes none, such as people's labels.

    Their records hold the expected share of wrong labels as nominal rate, or null, while the specification says 0.
    """
    rate = _measure(section, str(run["address"]), "noise.nominal_rate")
    return rate if rate == run["noise_rate"] else math.nan


def noise_table(section: Section) -> Table | None:
    """What the noise really is: nominal and measured share of wrong labels, and the fingerprint for each seed."""
    rows, data = [], []
    for dataset, setting in section.places:
        for (seed, fingerprint), runs in section.done(dataset, setting).groupby(["seed", "fingerprint"], sort=True):
            nominal, actual = _nominal_rate(section, runs.iloc[0]), float(runs["actual_rate"].iloc[0])
            trained = runs.loc[~runs["row"].isin(section.clean_rows), "address"]
            train = max((_measure(section, address, "noise.train_rate") for address in trained), default=math.nan)
            rows.append((
                words(section.place_title(dataset, setting)), TableCell(str(seed), float(runs["seed"].iloc[0])),
                *map(percent_cell, (nominal, actual, train)),
                words(str(fingerprint)[:12], hint=str(fingerprint)),
            ))  # fmt: skip
            data.append((dataset, setting, seed, nominal, actual, train, fingerprint))
    if not rows:
        return None
    labels = ("setting", "seed", "nominal rate", "wrong labels", "wrong in training", "fingerprint")
    columns = tuple(Column(label, 0 < position < 5) for position, label in enumerate(labels))
    notes = [
        "Shares in %. Wrong labels: given label differs from the true one, in the whole official training set; in "
        "training: in the images trained on, the largest share of any row. All methods of a setting and seed have the "
        "labels of this fingerprint.",
    ]
    if section.clean_rows:
        names = ", ".join(section.methods[row] for row in section.methods if row in section.clean_rows)
        notes.append(f"Wrong in training: without the rows trained with clean labels, which have none: {names}.")
    if any(row[2].value is None for row in rows):
        notes.append(f"Nominal rate: {HOLE} where the noise takes none, as the labels that people gave.")
    header = ("dataset", "setting", "seed", "nominal_rate", "actual_rate", "train_rate", "fingerprint")
    title = f"{section.title}: the noisy labels"
    return Table(f"{section.name}-noise", title, columns, tuple(rows), tuple(notes), (header, data))
