"""Where the numbers come from: the table of all runs, what a number's dialog shows, and how runs were executed."""

from __future__ import annotations

import functools
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from common.record import Record
from reports.commands import Commands
from reports.costs import machines
from reports.gather import Material, Section
from reports.model import Column, Table, TableCell, percent_cell, words
from reports.rules import shown_rules
from results import health
from results.selection_rules import RULES, SelectionRule

_NOT_SHOWN = ("host",)
"""Parts of `execution` that say where, not how: they have no place in a page that is handed on."""
RUN_HEALTH = ("collapsed_epoch", "collapsed_reason", "first_above_chance", "loss_median", "loss_largest",
              "gradient_median", "gradient_largest", "skipped")  # fmt: skip
"""Columns of the frame that say whether a run is sound."""
_RUN_SOUND = (*RUN_HEALTH, "left_out")
"""With how many images its data lack."""


def runs_table(sections: Sequence[Section]) -> Table:
    """One row a run, with every selection rule."""
    shown = {rule.name for section in sections for rule in shown_rules(section)}
    rules = [rule for rule in RULES if rule.name in shown]
    labels = ("run", "suite", "data set", "setting", "method", "seed", *(rule.title for rule in rules),
              "memorised", "ROC-AUC", "health")  # fmt: skip
    columns = tuple(Column(label, 4 < position < len(labels) - 1) for position, label in enumerate(labels))
    rows, data = [], []
    names = [*(rule.column for rule in rules), "memorised", "auc_given_label_mean"]
    for section in sections:
        where = machines(section.material)
        for run in section.frame.to_dict("records"):
            values = [float(run[name]) for name in names]
            place = (run["dataset_title"], run["setting"], run["title"])
            rows.append((
                TableCell(run["address"][:8], run["address"], runs=(run["address"],)), words(section.plan["suite"]),
                *(words(str(text)) for text in place), TableCell(str(run["seed"]), float(run["seed"])),
                *(percent_cell(value, runs=(run["address"],)) for value in values),
                words(f"collapsed from epoch {run['collapsed_epoch']}" if run["collapsed_reason"] else "",
                      hint=run["collapsed_reason"]),
            ))  # fmt: skip
            data.append((section.plan["suite"], run["dataset"], run["setting"], run["row"], run["seed"], *values,
                         *(run[name] for name in _RUN_SOUND), "; ".join(run["privileges"]),
                         run["images_per_second"], run["seconds"], where[run["address"]], run["run_by"],
                         run["address"]))  # fmt: skip
    header = ("suite", "dataset", "setting", "method", "seed", *names, *_RUN_SOUND, "privileges",
              "images_per_second", "seconds", "machine", "run_by", "address")  # fmt: skip
    notes = ("Test accuracy (%) by selection rule; memorised: share (%) of the mislabelled training samples predicted "
             "as their wrong label; ROC-AUC (%) of the mean probability of the given label.",)  # fmt: skip
    return Table("runs", "All runs", columns, tuple(rows), notes, (header, data))


def run_details(sections: Iterable[Section], commands: Commands) -> list[dict[str, Any]]:
    """What the page's dialogs show of each run, once even where several suites share it."""
    details: dict[str, dict[str, Any]] = {}
    for section in sections:
        rules = shown_rules(section)
        for run in section.frame.to_dict("records"):
            record = section.material.records[run["address"]]
            execution = {key: value for key, value in record["execution"].items() if key not in _NOT_SHOWN}
            label = f"{run['dataset_title']}, {run['setting']}, {run['title']}, seed {run['seed']}"
            details.setdefault(run["address"], {
                "address": run["address"], "suite": section.title, "label": label, "seed": int(run["seed"]),
                "spec": record["spec"], "results": _results(rules, record, run), "execution": execution,
                "command": commands.of([run["address"]], str(section.plan["suite"])).text,
            })  # fmt: skip
    return list(details.values())


def _results(rules: Iterable[SelectionRule], record: Record, run: dict[Any, Any]) -> dict[str, Any]:
    accuracies = {rule.title: rule.number(record) for rule in rules}
    chosen = [[title, number] for title, number in accuracies.items() if not math.isnan(number)]
    return {"test accuracy": chosen, "noisy labels": run["fingerprint"], "wrong labels": record["noise"]["actual_rate"],
            "health": _health(record), "cost": record["cost"]}  # fmt: skip


def _health(record: Record) -> dict[str, Any]:
    """What is known of how the run went: all but its values by epoch, or what its curves tell of an older one."""
    measured = record.get("health")
    shown = {"loss": "not measured", "gradient": "not measured"} if measured is None else dict(measured)
    return {**health.of_record(record), **{name: value for name, value in shown.items() if name != "epochs"}}


def facts(material: Material) -> list[tuple[str, str]]:
    """Name and text of what the report rests on; the digest tells two sets of records apart."""
    records = [material.records[address] for address in sorted(material.records)]
    digest = hashlib.sha256("\n".join(sorted(material.records)).encode()).hexdigest()
    executions = [record["execution"] for record in records]
    versions = Counter(f"{name} {version}" for run in executions for name, version in run.get("versions", {}).items())
    counted = functools.partial(_counted, total=len(records))
    entries = [
        ("records", f"{len(records)}, digest of their addresses {digest[:16]}"),
        ("protocol version", counted(Counter(str(record["spec"]["protocol"]) for record in records))),
        ("commit", counted(Counter(str(run.get("commit") or "unknown") for run in executions))),
        ("device", counted(Counter(str(run.get("device_name") or run.get("device")) for run in executions))),
        ("precision", counted(Counter(str(record["spec"].get("precision", "unknown")) for record in records))),
        ("versions", counted(versions)),
        ("run by", _runners(executions)),
        ("training", f"{sum(float(run.get('seconds') or 0) for run in executions) / 3600:.2f} hours in all"),
    ]
    return [(name, text) for name, text in entries if text]


def _runners(executions: Sequence[Mapping[str, Any]]) -> str:
    """Who handed records in; empty where nobody did."""
    counts = Counter(str(run.get("run_by") or "the owner of the records") for run in executions)
    return "" if set(counts) == {"the owner of the records"} else _counted(counts, len(executions))


def runner_notes(runs: pd.DataFrame) -> list[str]:
    """Of a table that rests on these rows of `results.frame`: whose records others have handed in, and how many."""
    counts = Counter(name for name in runs["run_by"] if name)
    told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return [f"Runs handed in by others, of {len(runs)}: {told}."] if told else []


def _counted(counts: Counter[str], total: int) -> str:
    """The names, with how many of all runs have them unless all have."""
    parts = (name if number == total else f"{name} ({number} of {total} runs)" for name, number in counts.items())
    return ", ".join(sorted(parts))
