"""What the tables say of runs that are not sound: a mark at every number that such a run is behind, and notes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pandas as pd

from common.plan import PlanCell
from reports.gather import Section
from reports.model import BETWEEN, COLLAPSED, DIVERGED, HOLE, Table, TableCell
from results import health


def marked(table: Table, sections: Sequence[Section]) -> Table:
    """The table with a mark at each number behind which there is a collapsed run, and a note that names these runs."""
    known = frozenset[str]().union(*map(collapsed_runs, sections))
    numbers = [column.number for column in table.columns]
    rows = tuple(
        tuple(marked_cell(cell, known) if number else cell for cell, number in zip(row, numbers, strict=True))
        for row in table.rows
    )
    if rows == table.rows:
        return table
    behind = {address for row in table.rows for cell in row for address in cell.runs if address in known}
    return replace(table, rows=rows, notes=(*table.notes, *collapse_notes(sections, behind)))


def marked_cell(cell: TableCell, collapsed: Collection[str]) -> TableCell:
    """The cell with a mark if one of the runs behind its number is among `collapsed`."""
    count = sum(address in collapsed for address in cell.runs)
    if not count or cell.value is None:
        return cell
    first, *others = cell.text.split(BETWEEN) if cell.stacked else [cell.text]
    told = f"{count} of {len(cell.runs)} runs collapsed" if len(cell.runs) > 1 else "the run collapsed"
    hint = "; ".join(filter(None, (cell.hint, told)))
    return replace(cell, text=BETWEEN.join([f"{first} {COLLAPSED}", *others]), hint=hint)


def collapsed_runs(section: Section) -> frozenset[str]:
    """Addresses of the runs that collapsed."""
    return frozenset(_collapsed(section)["address"])


def _collapsed(section: Section) -> pd.DataFrame:
    return section.frame[section.frame["collapsed_epoch"].notna()]


def collapse_notes(sections: Sequence[Section], behind: Iterable[str] | None = None) -> list[str]:
    """Which runs collapsed (default: all of the sections), by cell, with how many others and from which epoch on."""
    kept = None if behind is None else set(behind)
    parts = []
    for section in sections:
        collapsed = _collapsed(section)
        collapsed = collapsed if kept is None else collapsed[collapsed["address"].isin(kept)]
        suite = f"{section.title}: " if len(sections) > 1 else ""
        for (dataset, setting, row), runs in collapsed.groupby(["dataset", "setting", "row"], sort=False):
            done = len(section.done(str(dataset), str(setting), str(row)))
            place = section.place_title(str(dataset), str(setting))
            since = health.epochs_text(runs["collapsed_epoch"])
            parts.append(f"{suite}{section.methods[str(row)]}, {place}: {len(runs)} of {done} runs, from {since} on")
    if not parts:
        return []
    what = "they end at chance, or over 20 points below their best on noisy validation"
    return [f"{COLLAPSED} Among the runs behind this are collapsed ones ({what}). {'; '.join(parts)}."]


def diverged_runs(section: Section) -> list[tuple[PlanCell, int | None]]:
    """The planned runs whose loss was no longer finite: their cell of the plan, and the epoch where it is known."""
    material = section.material
    epochs = health.diverged(material.failed)
    there = material.records.keys() | material.running
    return [
        (cell, epochs[cell["address"]])
        for cell in section.plan["cells"] if cell["address"] in epochs and cell["address"] not in there
    ]  # fmt: skip


def diverged_notes(section: Section, dataset: str | None = None) -> list[str]:
    """Which runs diverged, by cell, of how many, and in which epoch where that is known."""
    by_cell: dict[tuple[str, str, str], list[int | None]] = {}
    for cell, epoch in diverged_runs(section):
        if dataset in (None, cell["dataset"]):
            key = str(cell["dataset"]), str(cell["setting"]), str(cell["method"])
            by_cell.setdefault(key, []).append(epoch)
    parts = []
    planned = section.cells.drop_duplicates(["dataset", "setting", "method"])
    counts = planned.set_index(["dataset", "setting", "method"])["planned"]
    for (place, setting, method), epochs in by_cell.items():
        when = health.epochs_text(epochs)
        told = f"{len(epochs)} of {counts[place, setting, method]} runs" + (f", in {when}" if when else "")
        parts.append(f"{section.methods[method]}, {section.place_title(place, setting)}: {told}")
    if not parts:
        return []
    what = "their loss or gradient was no longer finite"
    return [f"{DIVERGED} Runs diverged ({what}) and are in no mean. {'; '.join(parts)}."]


def hole_text(cell: pd.Series) -> str:
    """What stands in place of a mean that no run is behind, of a row of `aggregate.cells`."""
    if cell["diverged"]:
        return f"diverged ({cell['diverged']} of {cell['planned']})"
    return f"{HOLE} ({cell['reason']})"


def mark_of(cell: pd.Series) -> str:
    """What follows a mean beside which runs diverged."""
    return f" {DIVERGED}" if cell["diverged"] else ""


def sentence(sections: Sequence[Section]) -> str:
    """The same for a figure's caption: all runs of the sections that collapsed or diverged; empty where none did."""
    notes = [*collapse_notes(sections), *(note for section in sections for note in diverged_notes(section))]
    return " ".join(note.lstrip(f"{COLLAPSED}{DIVERGED} ") for note in notes)
