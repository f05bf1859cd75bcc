"""What the selection rule decides: every rule side by side, and the order of methods that another rule changes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.csv_units import data_of
from reports.gather import Section
from reports.health import diverged_notes
from reports.model import Column, Table, percent_cell, words
from reports.rules import shown_cells, shown_rules
from reports.tables import cells_data, value_cell
from results import aggregate
from results.aggregate import RULES


def rules_table(section: Section) -> Table:
    """Every selection rule side by side."""
    rules = shown_rules(section)
    columns = [Column("setting", False), Column("method", False), *(Column(rule.title) for rule in rules)]
    rows = []
    for _, group in shown_cells(section).groupby(["dataset", "setting", "method"], sort=False):
        dataset, setting, method = (str(group[name].iloc[0]) for name in ("dataset", "setting", "method"))
        runs = section.done(dataset, setting, method)["address"]
        by_rule = {cell["rule"]: value_cell(cell, runs) for _, cell in group.iterrows()}
        place = words(section.place_title(dataset, setting))
        rows.append((place, words(group["title"].iloc[0]), *(by_rule[rule.name] for rule in rules)))
    notes: tuple[str, ...] = (
        "Test accuracy (%), mean ± sample standard deviation (n), by the rule that chooses the epoch. "
        "The best test epoch is an oracle: no one could have chosen it without test labels.",
    )
    title = f"{section.title}: test accuracy by every selection rule"
    notes = (*notes, *diverged_notes(section))
    return Table(f"{section.name}-rules", title, tuple(columns), tuple(rows), notes, cells_data(shown_cells(section)))


def _order_changes(section: Section) -> pd.DataFrame:
    """Those among the rows that compete."""
    cells = shown_cells(section)
    return aggregate.order_changes(cells[~cells["method"].isin(section.clean_rows)], section.select)


def order_table(section: Section) -> Table | None:
    """Pairs of methods whose order depends on the selection rule; None where there are none."""
    changes = _order_changes(section)
    if changes.empty:
        return None
    labels = ("setting", "better", "worse", "reversed by", "difference", "then")
    columns = tuple(Column(label, position > 3) for position, label in enumerate(labels))
    rows = tuple(
        (
            words(section.place_title(str(pair.dataset), str(pair.setting))),
            *(words(str(text)) for text in (pair.better, pair.worse, RULES[str(pair.rule)].title)),
            *(
                percent_cell(_float(gap), sign=True, runs=_runs_of(section, pair))
                for gap in (pair.difference, pair.other_difference)
            ),
        )
        for pair in changes.itertuples()
    )
    notes = (f"Better and worse by {RULES[section.select].title}; differences of mean accuracy in points.",)
    return Table(
        f"{section.name}-order",
        f"{section.title}: order changed by the selection rule",
        columns,
        rows,
        notes,
        data_of(changes),
    )


def _runs_of(section: Section, pair: Any) -> list[str]:
    """The runs of the two methods, which `aggregate.order_changes` gives by their titles."""
    runs = section.done(str(pair.dataset), str(pair.setting))
    return list(runs.loc[runs["title"].isin([pair.better, pair.worse]), "address"])


def order_lines(section: Section) -> list[str]:
    """One line for each setting in which the selection rule decides the order of some methods, naming the pairs."""
    changes = _order_changes(section)
    lines = []
    for (dataset, setting), group in changes.groupby(["dataset", "setting"], sort=False):
        pairs = [
            f"{worse} overtakes {better} by {', '.join(RULES[name].title for name in pair['rule'])}"
            for (better, worse), pair in group.groupby(["better", "worse"], sort=False)
        ]
        place = section.place_title(str(dataset), str(setting))
        lines.append(f"{place}: instead of by {RULES[section.select].title}, {'; '.join(pairs)}")
    return lines


_HINTS = 4


def order_hint(section: Section) -> str:
    """The pairs whose order another selection rule reverses, in one line; empty where nothing is ranked or reversed.

    Of many, those are named that change places by the widest margin on both sides.
    """
    changes = _order_changes(section)
    if not section.compares:
        return ""
    margin = changes["difference"].clip(upper=-changes["other_difference"])
    changes = changes.loc[margin.sort_values(ascending=False, kind="stable").index]
    pairs = [
        f"{section.place_title(str(pair.dataset), str(pair.setting))}: {pair.worse} over {pair.better}"
        for pair in changes.drop_duplicates(["dataset", "setting", "better", "worse"]).itertuples()
    ]
    if not pairs:
        return ""
    left = len(pairs) - _HINTS
    more = f"; and {left} more pair{'s' * (left > 1)} (table {section.name}-order)" if left > 0 else ""
    shown = "; ".join(pairs[:_HINTS]) + more
    return f"another selection rule than {RULES[section.select].title} reverses the order in {shown}"


def _float(value: object) -> float:
    return float(value)  # type: ignore[arg-type]  # a column of floats, read through itertuples
