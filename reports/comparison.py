"""Tables of a `compare` suite that say what the runs can bear: differences to cross-entropy, tests, wins and losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.gather import Section
from reports.health import collapse_notes
from reports.model import COLLAPSED, HOLE, Cell, Column, Table, p_text, percent, percent_cell, words
from results import aggregate, statistics
from results.aggregate import RULES
from results.record import StoreError
from results.statistics import Best, CriticalDifference


def competitors(section: Section) -> pd.DataFrame:
    """The runs that are ranked and tested: no row of clean labels. Raises StoreError in a `reproduce` suite."""
    aggregate.comparing([section.plan])
    return section.runs[~section.runs["method"].isin(section.clean_rows)]


@dataclass(frozen=True)
class Joined:
    """The runs that compete in several suites, as one comparison. ranks: its `reason` says why not to draw them."""

    sections: list[Section]
    select: str
    runs: pd.DataFrame
    ranks: CriticalDifference

    @property
    def title(self) -> str:
        return f"All comparisons: {len(self.runs.drop_duplicates(['dataset', 'setting']))} settings"


def join(sections: Sequence[Section]) -> Joined | None:
    """All `compare` suites as one comparison; None where they may not be joined.

    That is so for fewer than two suites, for suites of different selection rules, and where two of them hold one cell
    with different configurations.
    """
    joined = [section for section in sections if section.compares]
    if len(joined) < 2 or len({section.select for section in joined}) > 1:
        return None
    kept = pd.concat([competitors(section)[["address"]] for section in joined])
    select = joined[0].select
    try:
        runs = aggregate.runs(joined[0].material.frame, [section.plan for section in joined], select)
    except StoreError:
        return None
    runs = runs[runs["address"].isin(kept["address"])]
    return Joined(joined, select, runs, statistics.critical_difference(runs))


def best_of(section: Section) -> Best | None:
    """What may be bold; None in a `reproduce` suite. The family of tests are the plan's rows, run or not."""
    if not section.compares:
        return None
    runs = competitors(section)
    return statistics.best(runs, [name for name in section.methods if name not in section.clean_rows])


def comparison_tables(section: Section, best: Best) -> list[Table]:
    """Differences to cross-entropy by cell, tests over all settings, wins and losses; those that there are."""
    runs = competitors(section)
    reference = statistics.baseline(runs)
    found = [_wins_table(section, runs)]
    if reference is not None:
        title = section.methods[reference]
        found = [_differences_table(section, runs, reference, title), _tests_table(section, runs, reference), *found]
    if not best.table.empty and best.method not in (None, reference):
        found.insert(-1, _best_table(section, best, runs))
    return [table for table in found if table is not None]


def _interval(low: float, high: float) -> str:
    return HOLE if math.isnan(low) else f"[{percent(low, sign=True)}, {percent(high, sign=True)}]"


def _differences_table(section: Section, runs: pd.DataFrame, reference: str, title: str) -> Table | None:
    table = statistics.per_cell(runs, reference)
    if table.empty:
        return None
    labels = ("setting", "method", "pairs", "difference", "95% interval", "p (Holm)", "smallest p", "note")
    columns = tuple(Column(label, 1 < position < 7) for position, label in enumerate(labels))
    rows = []
    for cell in table.to_dict("records"):
        place = section.place_title(cell["dataset"], cell["setting"])
        compared = section.done(cell["dataset"], cell["setting"])
        addresses = tuple(compared.loc[compared["row"].isin([cell["method"], reference]), "address"])
        rows.append((
            words(place), words(cell["title"]), Cell(str(cell["n"]), float(cell["n"])),
            percent_cell(cell["difference"], sign=True, runs=addresses),
            Cell(_interval(cell["low"], cell["high"])), Cell(p_text(cell["p_holm"])),
            Cell(p_text(cell["smallest"]), cell["smallest"]), words(cell["note"]),
        ))  # fmt: skip
    notes = (
        f"Paired differences to {title} in points: equal seed and equal noisy labels, {RULES[section.select].title}. "
        "Interval: Student's t over pairs, 95%; one pair has none. Exact sign-flip test, Holm over all rows; below "
        f"{statistics.MINIMUM_PAIRS} pairs a cell is not testable, which does not mean that there is no difference.",
    )
    data = (list(table.columns), table.to_numpy(dtype=object).tolist())
    name, heading = f"{section.name}-differences", f"{section.title}: differences to {title}"
    return Table(name, heading, columns, tuple(rows), notes, data)


def _test_rows(table: pd.DataFrame, runs: pd.DataFrame, reference: str) -> tuple[tuple[Cell, ...], ...]:
    """Of each row: whether the difference between its method and the reference is more than chance."""
    behind = {
        method: tuple(runs.loc[runs["method"].isin([method, reference]), "address"]) for method in table["method"]
    }
    return tuple(
        (
            words(row["title"]), Cell(str(row["n"]), float(row["n"])), Cell(str(row["settings"])),
            percent_cell(row["difference"], sign=True, runs=behind[row["method"]]),
            Cell(f"{row['wins']} / {row['ties']} / {row['losses']}", float(row["wins"])),
            *(Cell(p_text(row[name]), None if math.isnan(row[name]) else row[name]) for name in
              ("p", "p_holm", "smallest")),
            words(row["note"]),
        )
        for row in table.to_dict("records")
    )  # fmt: skip


_TEST_COLUMNS = tuple(
    Column(label, 0 < position < 8)
    for position, label in enumerate(
        ("method", "pairs", "settings", "difference", "wins / ties / losses", "p", "p (Holm)", "smallest p", "note")
    )
)


def _test_notes(select: str, family: int) -> tuple[str, ...]:
    return (
        f"Exact two-sided sign-flip test over all pairs of (setting, seed), {RULES[select].title}; one family "
        f"of {family} tests declared by the suite's rows, Holm inside it. Smallest p: what so many pairs can reach at "
        "best after the correction. Wins, ties and losses: settings by the sign of the mean paired difference "
        "(points).",
    )


def _tests_table(section: Section, runs: pd.DataFrame, reference: str) -> Table:
    titles = {name: title for name, title in section.methods.items() if name not in section.clean_rows}
    heading = f"{section.title}: tests against {section.methods[reference]} over all settings"
    return _against_table(f"{section.name}-tests", heading, runs, reference, titles, section.select)


def joined_tables(joined: Joined) -> list[Table]:
    """Tests against cross-entropy over the settings of all suites; none where no suite has a row of it.

    Their names have no prefix, so that no suite's table can have them too.
    """
    reference = statistics.baseline(joined.runs)
    if reference is None:
        return []
    titles: dict[str, str] = {}
    for section in joined.sections:
        for name in (name for name in section.methods if name not in section.clean_rows):
            titles.setdefault(name, section.methods[name])
    names = ", ".join(section.title for section in joined.sections)
    notes = [f"Suites: {names}. A row has in each of them the settings that the suite gives it."]
    if joined.ranks.reason:
        notes.append(f"No critical-difference diagram is drawn: {joined.ranks.reason}.")
    heading = f"{joined.title}: tests against {titles[reference]}"
    return [_against_table("tests", heading, joined.runs, reference, titles, joined.select, tuple(notes))]


def _against_table(
    name: str, heading: str, runs: pd.DataFrame, reference: str, titles: dict[str, str], select: str,
    notes: tuple[str, ...] = (),
) -> Table:  # fmt: skip
    """titles: row name -> title of all rows that compete, the reference among them; they declare the family."""
    table = statistics.against(runs, reference, list(titles))
    table["title"] = [titles[method] for method in table["method"]]
    data = (list(table.columns), table.to_numpy(dtype=object).tolist())
    notes = (*_test_notes(select, len(table)), *notes)
    return Table(name, heading, _TEST_COLUMNS, _test_rows(table, runs, reference), notes, data)


def _best_table(section: Section, best: Best, runs: pd.DataFrame) -> Table:
    table = best.table.assign(title=[section.methods[name] for name in best.table["method"]])
    title = f"{section.title}: tests against the best mean ({section.methods[str(best.method)]})"
    notes = list(_test_notes(section.select, len(table)))
    if best.incomplete:
        names = ", ".join(section.methods[name] for name in best.incomplete)
        notes.append(f"Not ranked, because runs are missing in some setting: {names}.")
    data = (list(table.columns), table.to_numpy(dtype=object).tolist())
    rows = _test_rows(table, runs, str(best.method))
    return Table(f"{section.name}-best", title, _TEST_COLUMNS, rows, tuple(notes), data)


def _wins_table(section: Section, runs: pd.DataFrame) -> Table | None:
    table = statistics.wins(runs)
    if table.empty:
        return None
    titles = {name: title for name, title in section.methods.items() if name in set(table["method"])}
    counts = {(row["method"], row["other"]): row for row in table.to_dict("records")}
    columns = (Column("method", False), *(Column(f"vs {title}") for title in titles.values()))
    rows = []
    for method, title in titles.items():
        pairs = [counts.get((method, other)) for other in titles]
        cells = (
            Cell("") if pair is None
            else Cell(f"{pair['wins']} / {pair['ties']} / {pair['losses']}", float(pair["wins"] - pair["losses"]))
            for pair in pairs
        )  # fmt: skip
        rows.append((words(title), *cells))
    notes = ["Wins / ties / losses of the row's method over settings, by the sign of the mean paired difference."]
    if reason := statistics.critical_difference(runs).reason:
        notes.append(f"No critical-difference diagram is drawn: {reason}.")
    notes += [note.removeprefix(f"{COLLAPSED} ") for note in collapse_notes([section], runs["address"])]
    data = (list(table.columns), table.to_numpy(dtype=object).tolist())
    title = f"{section.title}: wins and losses by setting"
    return Table(f"{section.name}-wins", title, columns, tuple(rows), tuple(notes), data)
