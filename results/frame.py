"""Records as pandas data frames: one row a run (`load`), or one row a point of a curve (`curves`).

Columns of `load(path)`; accuracies, rates and errors are fractions in [0, 1], missing numbers are NaN:

| column | meaning |
|---|---|
| address | SHA-256 of the run's specification, the name of its record |
| suites | names of the suites whose plans hold the run (tuple of str) |
| dataset, dataset_title | name and title of the data set |
| subset | training images taken from the official training set (missing: all) |
| noise_model, noise_rate | name and nominal rate of the noise model (0 where it takes none) |
| noise | title of the noise, such as "symmetric 50%" |
| noise_specification | canonical JSON of all that decides the noisy labels apart from the seed |
| fingerprint | hash of the noisy labels |
| actual_rate | measured share of wrong labels in the official training set |
| row_name | the name of its row in its suites' tables, several joined by commas (no plan: the method); to group by |
| method, method_title | registry name and title |
| configuration | hash of the specification without its seed: a mean joins equal ones only |
| identity | hash of the specification without version numbers: equal for the same run under another protocol |
| network, epochs, batch_size, precision, seed | as specified |
| accuracy_last | test accuracy after the last epoch |
| accuracy_last_mean | its mean over the last min(10, epochs) epochs |
| accuracy_best_test | at the best test epoch (an oracle) |
| accuracy_noisy_validation, accuracy_clean_validation | at the best epoch on that validation split |
| accuracy_last_5_mean | its mean over the last min(5, epochs) epochs |
| accuracy_best_test_each | as accuracy_best_test: of one metric there is one best epoch |
| accuracy_clean_validation_each | of the summed logits of both networks, each at its own best epoch on clean labels |
| memorised | mislabelled training samples predicted as their given label, last measured epoch |
| auc_given_label_mean | area under the ROC curve: finding wrong labels by the mean probability of the given label |
| auc_own | the same by the method's own score |
| collapsed_epoch | the first epoch from which on the run was as it ended: collapsed (missing: it did not) |
| collapsed_reason | why that is a collapse, in words; empty where it is none |
| first_above_chance | first epoch whose training accuracy is above 2 times chance (missing: none) |
| loss_median, loss_largest | of the loss of a training step; NaN where it was not measured |
| gradient_median, gradient_largest | of the length of a training step's gradient; NaN where it was not measured |
| skipped | share of training steps without a gradient |
| left_out | images that `--skip-broken` left out of the data set, all splits together |
| ece, nll | expected calibration error and negative log-likelihood on the test set, last epoch |
| passes_per_step | network passes of one training step |
| images_per_second, seconds, start_seconds, peak_memory_mib | cost of this execution |
| privileges | what buys accuracy beyond the given labels (tuple of str), such as "noise_rate" |
| protocol | version of the harness's protocol |
| run_by | who handed the record in; empty where it is this store's own |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from common.plan import Plan
from common.record import Record
from common.row import FrameRow
from common.specification import read
from results import cache, health, selection_rules, sources
from results.curve_points import points
from results.plain import lookup
from results.record import configuration, identity, noise_specification
from results.sources import Report, warn

_TEXT = (
    "address", "dataset", "dataset_title", "noise_model", "noise", "noise_specification", "fingerprint", "method",
    "method_title", "configuration", "identity", "network", "precision", "privileges", "collapsed_reason", "run_by",
)  # fmt: skip
_WHOLE = ("epochs", "batch_size", "seed", "protocol", "left_out")
_WHOLE_IF_ANY = ("subset", "collapsed_epoch", "first_above_chance")
COLUMNS = (
    "address", "suites", "row_name", "dataset", "dataset_title", "subset", "noise_model", "noise_rate", "noise",
    "noise_specification", "fingerprint", "actual_rate", "method", "method_title", "configuration", "identity",
    "network", "epochs", "batch_size", "precision", "seed", "accuracy_last", "accuracy_last_mean", "accuracy_best_test",
    "accuracy_noisy_validation", "accuracy_clean_validation", "accuracy_last_5_mean", "accuracy_best_test_each",
    "accuracy_clean_validation_each", "memorised", "auc_given_label_mean", "auc_own",
    "collapsed_epoch", "collapsed_reason", "first_above_chance", "loss_median", "loss_largest", "gradient_median",
    "gradient_largest", "skipped", "left_out", "ece", "nll", "passes_per_step", "images_per_second", "seconds",
    "start_seconds", "peak_memory_mib", "privileges", "protocol", "run_by",
)  # fmt: skip
OF_PLANS = ("suites", "row_name")
"""Columns that plans tell, and no record."""
_ORDER = ["dataset", "noise_model", "noise_rate", "method", "configuration", "seed", "address"]
_NUMBERS = {
    "subset": "spec.dataset.subset",
    "noise_rate": "spec.noise.rate",
    "actual_rate": "noise.actual_rate",
    "auc_given_label_mean": "detection.given_label_mean.roc_auc",
    "auc_own": "detection.own.roc_auc",
    "loss_median": "health.loss.median",
    "loss_largest": "health.loss.largest",
    "gradient_median": "health.gradient.median",
    "gradient_largest": "health.gradient.largest",
    "skipped": "health.skipped",
    "ece": "final.ece",
    "nll": "final.nll",
    "passes_per_step": "cost.passes_per_step",
    "images_per_second": "execution.images_per_second",
    "seconds": "execution.seconds",
    "start_seconds": "execution.start_seconds",
    "peak_memory_mib": "execution.peak_memory_mib",
}


def all_columns() -> list[str]:
    """COLUMNS, and one for each selection rule that a plug-in has added."""
    return list(dict.fromkeys([*COLUMNS, *selection_rules.columns()]))


def load(path: Path | str, report: Report = warn) -> pd.DataFrame:
    """One row a record of a store, a records folder, a .jsonl file or a folder of .jsonl files.

    The columns are those of the module's table, also where there is no record, and `accuracy_NAME` of each selection
    rule that a plug-in has added. Rows are sorted by data set, noise, method and seed. A record that is cut short is
    reported in one line (a warning by default) and left out.
    Raises StoreError where `path` holds nothing that could be records, or a plan is malformed.
    """
    source = sources.find(path)
    if selection_rules.added():
        return of(source.records(report), source.plans())
    table = cache.columns(source, "records", _rows, report)
    return _typed(table, source.plans())


def of(read_records: Iterable[Record], plans: Mapping[str, Plan]) -> pd.DataFrame:
    """What `load` gives, of records that have been read: no cache is looked at."""
    return _typed(pd.DataFrame(_rows(read_records)), plans)


def curves_of(read_records: Iterable[Record]) -> pd.DataFrame:
    """What `curves` gives, of records that have been read: no cache is looked at."""
    return _in_order(pd.DataFrame(points(read_records)))


def _typed(table: pd.DataFrame, plans: Mapping[str, Plan]) -> pd.DataFrame:
    names = all_columns()
    frame = pd.DataFrame({name: table[name] for name in names if name in table}, columns=names)
    kinds = {**dict.fromkeys(_TEXT, "str"), **dict.fromkeys(_WHOLE, "int64"), **dict.fromkeys(_WHOLE_IF_ANY, "Int64")}
    frame = frame.astype(kinds)
    suites, rows = suites_of(plans), _rows_of(plans)
    labels = [rows.get(address, method) for address, method in zip(frame["address"], frame["method"], strict=True)]
    frame["row_name"] = pd.Series(labels, dtype="str", index=frame.index)
    frame["suites"] = pd.Series([suites.get(name, ()) for name in frame["address"]], dtype=object, index=frame.index)
    marks = [tuple(text.split(",")) if text else () for text in frame["privileges"]]
    frame["privileges"] = pd.Series(marks, dtype=object, index=frame.index)
    return frame.sort_values(_ORDER, kind="stable", ignore_index=True)


def curves(path: Path | str, report: Report = warn) -> pd.DataFrame:
    """All curves in long form: address, epoch (from 1), quantity, value (float; points that are null are left out).

    Quantities: `learning_rate`, `train_loss`, `train_accuracy`, `test_accuracy`, `test_nll`,
    `noisy_validation_accuracy`, `clean_validation_accuracy`, `ensemble_test_accuracy`, `member_test_accuracy.1` (.2,
    ...), `memorisation.mislabelled_given` and its kin, `observed.NAME.clean` and `observed.NAME.mislabelled`,
    `health.loss_median` and its kin; each only where the run had it. `address` and `quantity` are categorical.
    """
    return _in_order(cache.columns(sources.find(path), "curves", points, report))


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    frame = pd.DataFrame({name: table[name] for name in ("address", "epoch", "quantity", "value")})
    return frame.sort_values(["address", "quantity", "epoch"], kind="stable", ignore_index=True)


def records(path: Path | str, report: Report = warn) -> Iterator[Record]:
    """The whole records at `path`, as dictionaries. Raises StoreError as `load` does."""
    return sources.find(path).records(report)


def plans(path: Path | str) -> dict[str, Plan]:
    """Suite name -> plan of each suite started at `path`. Raises StoreError as `load` does."""
    return sources.find(path).plans()


def suites_of(plans: Mapping[str, Plan]) -> dict[str, tuple[str, ...]]:
    """Address -> names of the suites that hold it, sorted."""
    suites: dict[str, tuple[str, ...]] = {}
    for suite in sorted(plans):
        for address in {cell["address"] for cell in plans[suite]["cells"]}:
            suites[address] = (*suites.get(address, ()), suite)
    return suites


def _rows_of(plans: Mapping[str, Plan]) -> dict[str, str]:
    """Address -> the name of its row in the suites that hold it; of several names each, in the suites' order."""
    rows: dict[str, list[str]] = {}
    for suite in sorted(plans):
        for cell in plans[suite]["cells"]:
            names = rows.setdefault(cell["address"], [])
            if cell["method"] not in names:
                names.append(cell["method"])
    return {address: ", ".join(names) for address, names in rows.items()}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def row(record: Record) -> FrameRow:
    """The row of one record, without what plans tell; `privileges` joined by commas."""
    plain, spec, titles = record["spec"], read(record["spec"]), record["titles"]
    memorised = (lookup(record, "curves.memorisation.mislabelled_given") or [None])[-1]
    judged = health.of_record(record)
    collapsed = judged["collapsed"] or {"epoch": None, "reason": ""}
    values = {
        "address": record["address"],
        "dataset": spec.dataset.name,
        "dataset_title": titles.get("dataset", spec.dataset.name),
        "noise_model": spec.noise.model,
        "noise": titles["noise"],
        "noise_specification": noise_specification(plain),
        "fingerprint": record["noise"]["fingerprint"],
        "method": spec.method.name,
        "method_title": titles["method"],
        "configuration": configuration(plain),
        "identity": identity(plain),
        "network": spec.network,
        "precision": str(spec.precision),
        "run_by": lookup(record, "execution.run_by") or "",
        "privileges": ",".join(record["privileges"]),
        "memorised": _number(memorised),
        "collapsed_epoch": _number(collapsed["epoch"]),
        "collapsed_reason": collapsed["reason"],
        "first_above_chance": _number(judged["first_above_chance"]),
        "left_out": sum((lookup(record, "data.skipped") or {}).values()),
        **{name: getattr(spec, name) for name in _WHOLE if name != "left_out"},
        **{name: _number(lookup(record, key)) for name, key in _NUMBERS.items()},
        **{rule.column: rule.number(record) for rule in selection_rules.RULES},
    }
    return cast(FrameRow, values)


def _rows(read_records: Iterable[Record]) -> dict[str, Any]:
    rows: list[Mapping[str, Any]] = [row(record) for record in read_records]
    names = [name for name in all_columns() if name not in OF_PLANS]
    kinds = {**dict.fromkeys(_TEXT, object), **dict.fromkeys(_WHOLE, np.int64)}
    return {name: np.array([line[name] for line in rows], dtype=kinds.get(name, np.float64)) for name in names}
