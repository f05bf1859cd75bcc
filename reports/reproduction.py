"""Our runs beside others' of the same specifications: how a reproduction elsewhere is checked."""

from __future__ import annotations

import math
from pathlib import Path

from reports import gather
from reports.csv_units import data_of
from reports.gather import Material
from reports.model import COLLAPSED, HOLE, Column, Table, TableCell, mean_text, percent, percent_cell, words
from results.against import compare
from results.aggregate import RULES

_LABELS = ("data set", "setting", "method", "ours", "theirs", "theirs − ours", "95% interval", "interval", "equal runs",
           "differs in")  # fmt: skip


def against_table(material: Material, other: Path, select: str | None) -> tuple[Table, list[str]]:
    """The table of differences to the records at `other`, and warnings. Raises StoreError."""
    rule = select or "last"
    warnings: list[str] = []
    table = compare(material.frame, gather.frame_at(other, warnings), rule)
    titles = dict(material.frame[["dataset", "dataset_title"]].drop_duplicates().itertuples(index=False, name=None))
    by_configuration = material.frame.groupby(["dataset", "noise", "method", "network", "epochs"])["address"]
    runs = {key: tuple(addresses) for key, addresses in by_configuration}
    rows = []
    for row in table.to_dict("records"):
        sides = [
            TableCell(
                mean_text(row[f"mean_{side}"], row[f"std_{side}"], row[f"n_{side}"]) + _mark(row[f"collapsed_{side}"]),
                row[f"mean_{side}"],
            )
            if row[f"n_{side}"]
            else TableCell(HOLE)
            for side in "ab"
        ]
        key = tuple(row[name] for name in ("dataset", "noise", "method", "network", "epochs"))
        sides[0] = TableCell(sides[0].text, sides[0].value, runs=runs.get(key, ()) if row["n_a"] else ())
        gap, bounded = row["difference"], not math.isnan(row["low"])
        interval = f"[{percent(row['low'], sign=True)}, {percent(row['high'], sign=True)}]" if bounded else HOLE
        rows.append((
            words(str(titles.get(row["dataset"], row["dataset"]))), words(row["noise"]), words(row["title"]), *sides,
            percent_cell(gap, sign=True, hint=_reading(row["low"], row["high"])),
            TableCell(interval), words(row["interval"] or HOLE), TableCell(str(row["equal"]), float(row["equal"])),
            words(row["differs"].replace("_", " ") or HOLE),
        ))  # fmt: skip
    columns = tuple(Column(label, 2 < position < 7 or position == 8) for position, label in enumerate(_LABELS))
    notes: tuple[str, ...] = (
        f"Test accuracy (%) by {RULES[rule].title}, mean ± sample standard deviation (n); differences in points. "
        "Intervals are paired over runs of equal seed and noisy labels, else unpaired (Welch). Equal runs: the same "
        "specification gave the same accuracy.",
    )
    for side, whose in (("a", "ours"), ("b", "theirs")):
        parts = [
            f"{row['title']}, {row['dataset']}, {row['noise']}: {row[f'collapsed_{side}']} of {row[f'n_{side}']}"
            for row in table.to_dict("records") if row[f"collapsed_{side}"]
        ]  # fmt: skip
        if parts:
            notes = (*notes, f"{COLLAPSED} Of {whose} are collapsed: {'; '.join(parts)}.")
    clear = [row for row in table.to_dict("records") if row["low"] > 0 or row["high"] < 0]
    names = "; ".join(f"{row['dataset']}, {row['noise']}, {row['title']}" for row in clear)
    if clear:
        warnings.append(f"the other records differ beyond the 95% interval in {len(clear)} of {len(table)}: {names}")
    title = "Differences to the other records"
    return Table("against", title, columns, tuple(rows), notes, data_of(table)), warnings


def _mark(collapsed: int) -> str:
    return f" {COLLAPSED}" if collapsed else ""


def _reading(low: float, high: float) -> str:
    if math.isnan(low):
        return "no interval: fewer than two runs"
    return "the interval holds 0" if low <= 0 <= high else "the interval does not hold 0"
