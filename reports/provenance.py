"""Where the numbers come from: the table of all runs, what a number's dialog shows, and how runs were executed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from reports.gather import Material, Section
from reports.model import Cell, Column, Table, percent, words
from results.aggregate import RULES

_NOT_SHOWN = ("host",)
"""Parts of `execution` that say where, not how: they have no place in a page that is handed on."""


def runs_table(sections: Sequence[Section]) -> Table:
    """One row a run, with every selection rule."""
    labels = ("suite", "data set", "setting", "method", "seed", *(rule.title for rule in RULES.values()), "memorised",
              "ROC-AUC", "run")  # fmt: skip
    numeric = range(4, len(labels) - 1)
    columns = tuple(Column(label, position in numeric) for position, label in enumerate(labels))
    rows, data = [], []
    names = [*(rule.column for rule in RULES.values()), "memorised", "auc_given_label_mean"]
    for section in sections:
        for run in section.frame.to_dict("records"):
            values = [float(run[name]) for name in names]
            place = (run["dataset_title"], run["setting"], run["title"])
            rows.append((
                words(section.title), *(words(str(text)) for text in place), Cell(str(run["seed"]), float(run["seed"])),
                *(Cell(percent(value), None if math.isnan(value) else value) for value in values),
                Cell(run["address"][:12], run["address"], runs=(run["address"],)),
            ))  # fmt: skip
            data.append((section.plan["suite"], run["dataset"], run["setting"], run["row"], run["seed"], *values,
                         run["address"]))  # fmt: skip
    header = ("suite", "dataset", "setting", "method", "seed", *names, "address")
    notes = ("Test accuracy (%) by selection rule; memorised: share (%) of the mislabelled training samples predicted "
             "as their wrong label; ROC-AUC (%) of the mean probability of the given label.",)  # fmt: skip
    return Table("runs", "All runs", columns, tuple(rows), notes, (header, data))


def run_details(sections: Iterable[Section]) -> list[dict[str, Any]]:
    """What the page's dialogs show of each run, once even where several suites share it."""
    found: dict[str, dict[str, Any]] = {}
    for section in sections:
        for run in section.frame.to_dict("records"):
            record = section.material.records[run["address"]]
            execution = {key: value for key, value in record["execution"].items() if key not in _NOT_SHOWN}
            label = f"{run['dataset_title']}, {run['setting']}, {run['title']}, seed {run['seed']}"
            found.setdefault(run["address"], {
                "address": run["address"], "suite": section.title, "label": label, "seed": int(run["seed"]),
                "spec": record["spec"], "results": _results(record, run), "execution": execution,
            })  # fmt: skip
    return list(found.values())


def _results(record: dict[str, Any], run: dict[Any, Any]) -> dict[str, Any]:
    chosen = {RULES[name].title: value for name, value in record["selection"].items() if name in RULES}
    return {"test accuracy": chosen, "noisy labels": run["fingerprint"], "wrong labels": record["noise"]["actual_rate"],
            "cost": record["cost"]}  # fmt: skip


def facts(material: Material) -> list[tuple[str, str]]:
    """Name and text of what the report rests on; the digest tells two sets of records apart."""
    records = [material.records[address] for address in sorted(material.records)]
    digest = hashlib.sha256("\n".join(sorted(material.records)).encode()).hexdigest()
    executions = [record["execution"] for record in records]
    versions = Counter(
        f"{name} {version}" for run in executions for name, version in sorted(run.get("versions", {}).items())
    )
    found = [
        ("records", f"{len(records)}, digest of their addresses {digest[:16]}"),
        ("protocol version", _counted(Counter(str(record["spec"]["protocol"]) for record in records))),
        ("commit", _counted(Counter(str(run.get("commit") or "unknown") for run in executions))),
        ("device", _counted(Counter(str(run.get("device_name") or run.get("device")) for run in executions))),
        ("precision", _counted(Counter(str(record["spec"].get("precision", "unknown")) for record in records))),
        ("versions", _counted(versions)),
        ("training", f"{sum(float(run.get('seconds') or 0) for run in executions) / 3600:.2f} hours in all"),
    ]
    return [(name, text) for name, text in found if text]


def _counted(counts: Counter[str]) -> str:
    total = max(counts.values(), default=0)
    return ", ".join(
        name if len(counts) == 1 or number == total else f"{name} ({number} runs)"
        for name, number in sorted(counts.items())
    )
