"""Paper tables: rows and columns as published, our runs beside each number, coloured only where protocols match."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from reports.gather import Section
from reports.health import diverged_notes, hole_text, mark_of
from reports.model import BETWEEN, HOLE, Cell, Column, Table, mean_text, percent, words
from reports.paper_partners import Ours, figures_of, our_cells, partner_of, same_task
from results import noise_names, published
from results.aggregate import RULES
from results.inference import TIE

NEAR = 0.01
"""Differences up to one point are coloured as near."""
ERRORS = 2.0
"""Combined standard errors within which a larger difference is coloured as uncertain."""


@dataclass
class _Marks:
    """Letters for the ways in which protocols differ, each told once under the table."""

    letters: dict[str, str] = field(default_factory=dict)

    def of(self, differences: Sequence[published.Difference]) -> str:
        text = "; ".join(map(str, differences)).replace("_", " ")
        return self.letters.setdefault(text, _letter(len(self.letters)))

    def notes(self) -> list[str]:
        return [f"({letter}) not comparable: {text}." for text, letter in self.letters.items()]


def _letter(number: int) -> str:
    return chr(ord("a") + number % 26) + str(number // 26 if number >= 26 else "")


def paper_tables(sections: Sequence[Section], paper: str | None, extra: Path | None, select: str | None) -> list[Table]:
    """The tables of a built-in published table, and of a user's own file, with our runs beside.

    Ours come from `reproduce` suites where one has a cell of the table, else from `compare` suites: never from both.
    Raises StoreError with one line for an unknown name or a malformed file.
    """
    rows = published.load([paper] if paper else [], extra)
    ours = our_cells(sections)
    found: list[Table] = []
    for (key, *_), group in rows.groupby(["key", "paper", "table", "dataset"], sort=False):
        name = _free_name(str(key), {table.name for table in found})
        found.append(_table(str(key), name, group, ours, select))
    return found


def _free_name(key: str, taken: Collection[str]) -> str:
    """The name of a table's files: numbered from the second on that would have it, as different keys can read alike."""
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", f"paper-{key}")
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([stem], numbered) if name not in taken)


def _table(key: str, name: str, group: pd.DataFrame, ours: Sequence[Ours], select: str | None) -> Table:
    group = group.assign(column=_headings(group))
    rules = set(group["selection_rule"])
    rule = select or (rules.pop() if len(rules) == 1 and not rules & {published.UNKNOWN} else _suite_rule(ours))
    rows_of_ours = [cell for cell in ours if any(same_task(row, cell) for row in group.to_dict("records"))]
    reproduced = [cell for cell in rows_of_ours if not cell.section.compares]
    candidates = reproduced or rows_of_ours
    columns = list(dict.fromkeys(group["column"]))
    lines = _lines(group)
    marks, taken, rows, data = _Marks(), set(group["method"]), [], []
    for title, cells in lines.items():
        row = [words(title)]
        for column in columns:
            entry = cells.get(column)
            partner = partner_of(entry, candidates, rule, taken) if entry else None
            row.append(_cell(entry, partner, rule, marks) if entry else Cell(""))
            if entry:
                data.append(_data_row(entry, partner, rule))
        rows.append(tuple(row))
    paper, place, dataset = (str(group[name].iloc[0]) for name in ("paper", "table", "dataset"))
    measured = set(map(_measured, group.to_dict("records")))
    what = measured.pop() if len(measured) == 1 else "accuracy"
    source = ", ".join(filter(None, (paper, place))) or key
    title = f"Published and ours: {source}: {_title_of(dataset, ours)}, {what} (%)"
    beside = {cell.section.name: cell.section for cell in candidates}
    diverged = [line for section in beside.values() for line in diverged_notes(section, dataset)]
    notes = [*_legend(rule), *diverged, *marks.notes(), *_source_notes(group)]
    headings = (Column("method", False), *map(Column, columns))
    return Table(name, title, headings, tuple(rows), tuple(notes), (_DATA, data))


def _title_of(dataset: str, ours: Sequence[Ours]) -> str:
    return next((cell.section.dataset_title(dataset) for cell in ours if cell.dataset == dataset), dataset)


def _suite_rule(ours: Sequence[Ours]) -> str:
    return next((cell.section.select for cell in ours if not cell.section.compares), "last")


def _headings(group: pd.DataFrame) -> list[str]:
    """The column of each row: its noise where that varies, its test set and metric where those do."""
    rows = group.to_dict("records")
    noise, measured = [_noise(row) for row in rows], [_measured(row) for row in rows]
    if len(set(measured)) == 1:
        return noise
    return measured if len(set(noise)) == 1 else [", ".join(pair) for pair in zip(noise, measured, strict=True)]


def _measured(row: Mapping[Any, Any]) -> str:
    metric = str(row["metric"]).replace("top", "top-")
    return metric if row["test_set"] == "test" else f"{row['test_set'].replace('_', ' ')} {metric}"


def _noise(row: Mapping[Any, Any]) -> str:
    model = noise_names.words(str(row["noise_model"]))
    return model if pd.isna(row["noise_rate"]) else f"{model} {100 * row['noise_rate']:g}%"


def _lines(group: pd.DataFrame) -> dict[str, dict[str, dict[Any, Any]]]:
    """Row title -> column -> published row. A method that several sources give twice gets a row for each."""
    lines: dict[str, dict[str, dict[Any, Any]]] = {}
    for row in group.to_dict("records"):
        title, column = str(row["method_title"]), str(row["column"])
        if column in lines.get(title, {}):
            title = f"{title} [{str(row['source']).split(':')[0]}]"
        lines.setdefault(title, {})[column] = row
    return lines


def _published_text(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["mean"]):
        return "not found"
    spread = "" if pd.isna(row["std"]) else f" ± {percent(row['std'])}"
    count = "" if pd.isna(row["n"]) else f" ({int(row['n'])})"
    return f"{percent(row['mean'])}{spread}{count}"


def _cell(row: Mapping[Any, Any], partner: Ours | None, rule: str, marks: _Marks) -> Cell:
    theirs = _published_text(row)
    if partner is None:
        return Cell(BETWEEN.join((f"{HOLE} (not planned)", theirs)), hint="not planned", stacked=True)
    figures = figures_of(row, partner, rule)
    if figures["n"] == 0:
        return Cell(BETWEEN.join((hole_text(figures), theirs)), hint=str(figures["reason"]), stacked=True)
    mine = mean_text(figures["mean"], figures["std"], int(figures["n"]), int(figures["planned"])) + mark_of(figures)
    gap = figures["mean"] - row["mean"]
    found = published.matches(row, partner.protocol, rule)
    mark = f" ({marks.of(found)})" if found and not pd.isna(gap) else ""
    error = published.combined_uncertainty(figures["std"], int(figures["n"]), row["std"], row["n"])
    tone = "" if pd.isna(gap) else "grey" if found else _tone(gap, error)
    hint = "; ".join(map(str, found)) or f"combined standard error {percent(error)} points"
    runs = tuple(partner.section.done(partner.dataset, partner.setting, partner.method)["address"])
    parts = (mine, theirs) if pd.isna(gap) else (mine, theirs, percent(gap, sign=True) + mark)
    return Cell(BETWEEN.join(parts), float(figures["mean"]), tone=tone, hint=hint, stacked=True, runs=runs)


def _tone(gap: float, error: float) -> str:
    if abs(gap) <= NEAR + TIE:
        return "near"
    return "uncertain" if abs(gap) <= ERRORS * error else "apart"


def _legend(rule: str) -> list[str]:
    return [
        f"Each cell: ours, mean ± sample standard deviation (n), by {RULES[rule].title}; published; difference in "
        "points. Coloured only where noise, network, length and selection rule are the same: near (✓): within 1 "
        f"point; uncertain (~): further, but within {ERRORS:g} combined standard errors; apart (✗): further still, or "
        "of unknown uncertainty. Grey: the protocols differ, or the source does not say.",
    ]


def _source_notes(group: pd.DataFrame) -> list[str]:
    notes = [f"Source: {source}." for source in dict.fromkeys(group["source"])]
    for note, rows in group[group["note"] != ""].groupby("note", sort=False):
        titles = list(dict.fromkeys(rows["method_title"]))
        places = list(dict.fromkeys(rows["column"]))
        everywhere = len(rows) == len(group)
        places = [] if len(rows) == group["method_title"].isin(titles).sum() else places
        who = "All rows" if everywhere else ", ".join(titles) + (f" ({', '.join(places)})" if places else "")
        notes.append(f"{who}: {note}.")
    return notes


_DATA = ("dataset", "test_set", "metric", "noise_model", "noise_rate", "method", "ours_mean_percent",
         "ours_std_percent", "ours_n", "published_mean_percent", "published_std_percent", "published_n", "difference",
         "comparable", "differs", "source")  # fmt: skip


def _data_row(row: Mapping[Any, Any], partner: Ours | None, rule: str) -> tuple[object, ...]:
    figures = figures_of(row, partner, rule) if partner else None
    mean, std, n = (math.nan, math.nan, 0) if figures is None else (figures["mean"], figures["std"], int(figures["n"]))
    found = published.matches(row, partner.protocol, rule) if partner else []
    theirs = (100 * row["mean"], 100 * row["std"], None if pd.isna(row["n"]) else int(row["n"]))
    numbers = [round(value, 6) if isinstance(value, float) else value for value in
               (100 * mean, 100 * std, n, *theirs, 100 * (mean - row["mean"]))]  # fmt: skip
    place = [row[name] for name in ("dataset", "test_set", "metric", "noise_model", "noise_rate", "method")]
    return (*place, *numbers, n > 0 and not found, "; ".join(map(str, found)), row["source"])
