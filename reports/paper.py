"""Paper tables: rows and columns as published, our runs beside each number, coloured only where protocols match."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.gather import Section
from reports.health import diverged_notes
from reports.model import HOLE, Column, Table, TableCell, words
from reports.paper_cells import DATA, ERRORS, Marks, Pair, Prices, data_row, pair_of, paper_cell
from reports.paper_partners import Ours, our_cells, partner_of, same_task
from results import noise_names, published
from results.aggregate import RULES


def paper_tables(
    sections: Sequence[Section], paper: str | None, extra: Path | None, select: str | None,
    prices: Prices | None = None, networks: Mapping[str, str] | None = None,
) -> list[Table]:  # fmt: skip
    """The tables of a built-in published table, and of a user's own file, with our runs beside.

    Ours come from `reproduce` suites where one has a cell of the table, else from `compare` suites: never from both.
    networks: name -> what it is, in a few words; told of those that a table says differ.
    Raises StoreError with one line for an unknown name or a malformed file.
    """
    rows = published.load([paper] if paper else [], extra)
    ours = our_cells(sections)
    tables: list[Table] = []
    for (key, *_), group in rows.groupby(["key", "paper", "table", "dataset"], sort=False):
        name = _free_name(str(key), {table.name for table in tables})
        tables.append(_table(str(key), name, group, ours, select, prices or Prices(), networks or {}))
    return tables


def _free_name(key: str, taken: Collection[str]) -> str:
    """The name of a table's files: numbered from the second on that would have it, as different keys can read alike."""
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", f"paper-{key}")
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([stem], numbered) if name not in taken)


def _table(
    key: str, name: str, group: pd.DataFrame, ours: Sequence[Ours], select: str | None, prices: Prices,
    networks: Mapping[str, str],
) -> Table:  # fmt: skip
    group = group.assign(column=_headings(group))
    rows_of_ours = [cell for cell in ours if any(same_task(row, cell) for row in group.to_dict("records"))]
    reproduced = [cell for cell in rows_of_ours if not cell.section.compares]
    candidates = reproduced or rows_of_ours
    columns = list(dict.fromkeys(group["column"]))
    lines = _lines(group)
    marks, taken, rows = Marks(), set(group["method"]), []
    pairs: list[Pair] = []
    for title, cells in lines.items():
        row = [words(title)]
        for column in columns:
            entry = cells.get(column)
            if entry is None:
                row.append(TableCell(""))
                continue
            pair = pair_of(entry, partner_of(entry, candidates, select, taken), select)
            pairs.append(pair)
            row.append(paper_cell(pair, prices.hours(entry), marks))
        rows.append(tuple(row))
    paper, place, dataset = (str(group[name].iloc[0]) for name in ("paper", "table", "dataset"))
    measured = set(map(_measured, group.to_dict("records")))
    what = measured.pop() if len(measured) == 1 else "accuracy"
    source = ", ".join(filter(None, (paper, place))) or key
    title = f"Published and ours: {source}: {_title_of(dataset, ours)}, {what} (%)"
    beside = {cell.section.name: cell.section for cell in candidates}
    diverged = [line for section in beside.values() for line in diverged_notes(section, dataset)]
    costs = [f"Device-hours are an estimate for all seeds of the suite, {prices.basis}."] if prices.basis else []
    rules = [pair.rule for pair in pairs if pair.partner]
    notes = [*_legend(rules), *_verdicts(rows), *_unsaid(group), *costs, *diverged, *marks.notes()]
    notes += [*_network_notes(pairs, networks), *_source_notes(group)]
    headings = (Column("method", False), *map(Column, columns))
    return Table(name, title, headings, tuple(rows), tuple(notes), (DATA, [data_row(pair) for pair in pairs]))


def _title_of(dataset: str, ours: Sequence[Ours]) -> str:
    return next((cell.section.dataset_title(dataset) for cell in ours if cell.dataset == dataset), dataset)


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


def _legend(rules: Sequence[str]) -> list[str]:
    used = [RULES[rule].title for rule in dict.fromkeys(rules)]
    by = f", by {used[0]}" if len(used) == 1 else f", by the rule of each number ({', '.join(used)})" if used else ""
    return [
        f"Each cell: ours, mean ± sample standard deviation (n){by}; published; difference in points. Coloured only "
        "where noise, network, length and selection rule are the same, and the row is the published procedure: near "
        f"(✓): within 1 point; uncertain (~): further, but within {ERRORS:g} combined standard errors; apart (✗): "
        "further still, or of unknown uncertainty. Grey: the procedures differ, or the source does not say.",
    ]


def _verdicts(rows: Sequence[Sequence[TableCell]]) -> list[str]:
    """How many numbers of the table are which, and what an empty place means."""
    cells = [cell for row in rows for cell in row[1:] if cell.text]
    ours = Counter(cell.tone or "without difference" for cell in cells if cell.runs)
    named = {"grey": "not comparable"}
    told = [f"{count} {named.get(tone, tone)}" for tone, count in sorted(ours.items())]
    told += [f"{count} not run" for count in [sum(not cell.runs for cell in cells)] if count]
    notes = [f"Verdicts over {len(cells)} published numbers: {', '.join(told)}."] if told else []
    if any("(not planned)" in cell.text for cell in cells):
        notes.append(f"{HOLE} (not planned): no suite of these records has that cell.")
    if any(not cell.text for row in rows for cell in row[1:]):
        notes.append("Empty: the publication has no number there.")
    return notes


def _unsaid(group: pd.DataFrame) -> list[str]:
    """What of their procedure the source leaves open, so that no run can be known to have followed it."""
    unknown = {
        "network": group["network"] == published.UNKNOWN,
        "epochs": group["epochs"].isna(),
        "selection rule": group["selection_rule"] == published.UNKNOWN,
    }
    told = [f"{what} ({_how_many(int(each.sum()), len(group))})" for what, each in unknown.items() if each.any()]
    return [f"No verdict where the source does not say the procedure: {', '.join(told)}."] if told else []


def _how_many(count: int, whole: int) -> str:
    return f"of all {whole} numbers" if count == whole else f"of {count} of {whole} numbers"


def _network_notes(pairs: Sequence[Pair], networks: Mapping[str, str]) -> list[str]:
    """What the networks are that differ between a published number and ours."""
    words = {
        word for pair in pairs for text in pair.differences if text.startswith("network:") for word in text.split()
    }
    told = [f"{name.replace('_', ' ')}: {about}" for name, about in networks.items() if name in words]
    return [f"Networks: {'; '.join(told)}."] if told else []


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
