"""The table of how training went: what collapsed or diverged, when a run began to learn, its losses and gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from common.record import Extent
from reports.gather import Section
from reports.health import diverged_runs
from reports.model import HOLE, Column, Table, TableCell, percent, words
from reports.provenance import RUN_HEALTH
from results import health

_LABELS = ("setting", "method", "runs", "collapsed", "diverged", "learns from epoch", "loss", "largest loss",
           "gradient", "largest gradient", "skipped", "saturated")  # fmt: skip
_MEASURED = slice(6, len(_LABELS))
"""Columns that only records with `health` fill."""


def health_table(section: Section) -> Table | None:
    """How the runs of each cell went; None where all are sound and nothing else was measured."""
    diverged: dict[tuple[str, str, str], list[int | None]] = {}
    for cell, epoch in diverged_runs(section):
        diverged.setdefault((str(cell["dataset"]), str(cell["setting"]), str(cell["method"])), []).append(epoch)
    records = section.material.records
    measured = {address for address in section.frame["address"] if "health" in records[address]}
    if not measured and not diverged and section.frame["collapsed_epoch"].isna().all():
        return None
    rows = []
    for dataset, setting in section.places:
        for method, title in section.methods.items():
            done, lost = section.done(dataset, setting, method), diverged.get((dataset, setting, method), [])
            if len(done) or lost:
                place = words(section.place_title(dataset, setting))
                rows.append((place, words(title), *_cells(section, done, lost)))
    columns = tuple(Column(label, position > 1) for position, label in enumerate(_LABELS))
    if not measured:
        columns, rows = columns[: _MEASURED.start], [row[: _MEASURED.start] for row in rows]
    title = f"{section.title}: how training went"
    notes = _notes(len(section.frame), len(measured))
    return Table(f"{section.name}-health", title, columns, tuple(rows), notes, (_HEADER, _data(section)))


def _notes(runs: int, measured: int) -> tuple[str, ...]:
    notes = [
        "Collapsed: ends at chance (1.5 times chance or below), or more than 20 points below its best on noisy "
        "validation; from that epoch on. Diverged: loss or gradient were no longer finite, so there is no result. "
        "Learns from: first epoch whose training accuracy is above 2 times chance."
    ]
    if measured:
        notes.append(
            "Loss and gradient length of a training step: median (mean over runs), and the largest of all runs with "
            "its epoch. Skipped: share (%) of steps without a gradient. Saturated: share (%) of an observed value that "
            "is within 0.001 of 0 or 1, in the last epoch."
        )
    if measured < runs:
        notes.append(f"Loss and gradient were not measured in {runs - measured} of {runs} runs, of earlier records.")
    return tuple(notes)


def _cells(section: Section, done: pd.DataFrame, lost: list[int | None]) -> list[TableCell]:
    runs = tuple(done["address"])
    measured = [section.material.records[address].get("health") for address in runs]
    known = [each for each in measured if each is not None]
    collapsed = done["collapsed_epoch"].dropna()
    cells = [
        TableCell(str(len(runs)), float(len(runs)), runs=runs),
        TableCell(_count(len(collapsed), health.epochs_text(collapsed)), float(len(collapsed)), runs=runs),
        TableCell(_count(len(lost), health.epochs_text(lost)), float(len(lost))),
        _learns(done["first_above_chance"], runs),
    ]
    for part in ("loss", "gradient"):
        medians = [each[part]["median"] for each in known if each[part]["median"] is not None]
        largest = [each[part] for each in known if each[part]["largest"] is not None]
        mean = float(np.mean(medians)) if medians else math.nan
        cells.append(TableCell(_short(mean), mean, runs=runs) if medians else TableCell(HOLE))
        worst = max(largest, key=lambda each: abs(each["largest"]), default=None)
        cells.append(TableCell(HOLE) if worst is None else TableCell(_worst(worst), float(worst["largest"]), runs=runs))
    skipped = [each["skipped"] for each in known]
    share = float(np.mean(skipped)) if skipped else math.nan
    cells.append(TableCell(percent(share), None if math.isnan(share) else share, runs=runs if skipped else ()))
    names = dict.fromkeys(name for each in known for name in each["saturated"])
    shares = {name: [each["saturated"][name] for each in known if name in each["saturated"]] for name in names}
    told = (f"{name.replace('_', ' ')} {percent(float(np.mean(values)), 1)}" for name, values in shares.items())
    cells.append(words(", ".join(told) or HOLE))
    return cells


def _count(count: int, epochs: str) -> str:
    return f"{count}, {epochs}" if count and epochs else str(count)


def _learns(epochs: pd.Series, runs: tuple[str, ...]) -> TableCell:
    known = sorted({int(epoch) for epoch in epochs.dropna()})
    if not known:
        return TableCell("never" if len(epochs) else HOLE)
    text = str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"
    never = int(epochs.isna().sum())
    return TableCell(text + (f", {never} never" if never else ""), float(known[-1]), runs=runs)


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _worst(largest: Extent) -> str:
    return f"{_short(largest['largest'])} (epoch {largest['largest_epoch']})"


_HEADER = ("dataset", "setting", "method", "seed", "state", "diverged_epoch", *RUN_HEALTH, "address")


def _data(section: Section) -> list[list[object]]:
    """One row a run, done or diverged."""
    done: Iterable[dict[str, object]] = section.frame.to_dict("records")  # type: ignore[assignment]
    rows: list[list[object]] = [
        [run["dataset"], run["setting"], run["row"], run["seed"], "collapsed" if run["collapsed_reason"] else "sound",
         None, *(run[name] for name in RUN_HEALTH), run["address"]]
        for run in done
    ]  # fmt: skip
    for cell, epoch in diverged_runs(section):
        place = [cell[name] for name in ("dataset", "setting", "method", "seed")]
        rows.append([*place, "diverged", epoch, *[None] * len(RUN_HEALTH), cell["address"]])
    return rows
