"""Tables of a `compare` suite that say what the runs can bear: differences to cross-entropy, tests, wins and losses."""

from __future__ import annotations

import math

import pandas as pd

from reports.competition import (
    Joined,
    best_of,
    competing_rows,
    competitors,
    left_out_note,
    ranks_of,
    untested_notes,
)  # fmt: skip
from reports.csv_units import data_of
from reports.gather import Section
from reports.health import collapse_notes
from reports.model import COLLAPSED, HOLE, Column, Table, TableCell, p_text, percent, percent_cell, words
from reports.names import fit
from results import statistics
from results.aggregate import RULES
from results.best import Best


def comparison_tables(section: Section, best: Best) -> list[Table]:
    """Differences to cross-entropy by cell, tests over all settings, wins and losses; those that there are."""
    runs = competitors(section)
    reference = statistics.baseline(runs)
    tables = [_wins_table(section, runs)]
    if reference is not None:
        title = section.methods[reference]
        tables = [_differences_table(section, runs, reference, title), _tests_table(section, runs, reference), *tables]
    tables[-1:-1] = _best_tables(section, best, runs, reference)
    return [table for table in tables if table is not None]


def _best_tables(section: Section, best: Best, runs: pd.DataFrame, reference: str | None) -> list[Table]:
    """Tests against the best mean, over all settings and, of several data sets, over those of each."""
    bests: list[tuple[str | None, Best | None]] = [(None, best)]
    if len(section.datasets) > 1:
        bests += [(dataset, best_of(section, dataset)) for dataset in section.datasets]
    return [
        _best_table(section, its_best, runs if dataset is None else runs[runs["dataset"] == dataset], dataset)
        for dataset, its_best in bests
        if its_best is not None and not its_best.table.empty and its_best.method not in (None, reference)
    ]


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
            words(place), words(cell["title"]), TableCell(str(cell["n"]), float(cell["n"])),
            percent_cell(cell["difference"], sign=True, runs=addresses),
            TableCell(_interval(cell["low"], cell["high"]), fractions=(cell["low"], cell["high"])),
            TableCell(p_text(cell["p_holm"])), TableCell(p_text(cell["smallest"]), cell["smallest"]),
            words(cell["note"]),
        ))  # fmt: skip
    notes = (
        f"Paired differences to {title} in points: equal seed and equal noisy labels, {RULES[section.select].title}. "
        "Interval: Student's t over pairs, 95%; one pair has none. Exact sign-flip test, Holm over all rows; below "
        f"{statistics.MINIMUM_PAIRS} pairs a cell is not testable, which does not mean that there is no difference.",
    )
    data = data_of(table)
    name, heading = f"{section.name}-differences", f"{section.title}: differences to {title}"
    return Table(name, heading, columns, tuple(rows), notes, data)


def _test_rows(
    table: pd.DataFrame, runs: pd.DataFrame, reference: str, adjusted: str
) -> tuple[tuple[TableCell, ...], ...]:
    """Of each row: whether the difference between its method and the reference is more than chance."""
    behind = {
        method: tuple(runs.loc[runs["method"].isin([method, reference]), "address"]) for method in table["method"]
    }
    return tuple(
        (
            words(row["title"]), TableCell(str(row["n"]), float(row["n"])), TableCell(str(row["settings"])),
            percent_cell(row["difference"], sign=True, runs=behind[row["method"]]),
            TableCell(f"{row['wins']} / {row['ties']} / {row['losses']}", float(row["wins"])),
            *(TableCell(p_text(row[name]), None if math.isnan(row[name]) else row[name]) for name in
              ("p", adjusted, "smallest")),
            words(row["note"]),
        )
        for row in table.to_dict("records")
    )  # fmt: skip


def _test_columns(adjusted: str) -> tuple[Column, ...]:
    labels = ("method", "pairs", "settings", "difference", "wins / ties / losses", "p", f"p ({adjusted})", "smallest p",
              "note")  # fmt: skip
    return tuple(Column(label, 0 < position < 8) for position, label in enumerate(labels))


_COUNTED = "Wins, ties and losses: settings by the sign of the mean paired difference (points)."


def _difference_note(of: str = "") -> str:
    return (
        f"Difference: mean over the settings{of}, which weigh alike, of the mean over their pairs; the test is of this "
        "mean."
    )


def _of(section: Section, dataset: str | None = None) -> str:
    """Whose settings a mean is over, where the suite's tables show those of one data set each."""
    if len(section.datasets) == 1:
        return ""
    names = [section.dataset_title(name) for name in (section.datasets if dataset is None else [dataset])]
    return f" of {' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))}"


def _test_notes(select: str, family: int, of: str = "") -> tuple[str, ...]:
    return (
        f"Exact two-sided sign-flip test over all pairs of (setting, seed), {RULES[select].title}; one family "
        f"of {family} tests declared by the suite's rows, Holm inside it. {_difference_note(of)} Smallest p: what "
        f"so many pairs can reach at best after the correction. {_COUNTED}",
    )


def _tests_table(section: Section, runs: pd.DataFrame, reference: str) -> Table:
    heading = f"{section.title}: tests against {section.methods[reference]} over all settings"
    notes = _test_notes(section.select, len(competing_rows(section)) - 1, _of(section))
    return _against_table(f"{section.name}-tests", heading, runs, reference, competing_rows(section), notes)


def joined_tables(joined: Joined) -> list[Table]:
    """Tests against cross-entropy over the settings of all suites; none where no suite has a row of it.

    Their names have no prefix, so that no suite's table can have them too.
    """
    reference = statistics.baseline(joined.runs)
    if reference is None:
        return []
    titles = joined.rows
    names = ", ".join(section.title for section in joined.sections)
    notes = [*_test_notes(joined.select, len(titles) - 1)]
    notes.append(f"Suites: {names}. A row has in each of them the settings that the suite gives it.")
    if joined.ranks.reason:
        notes.append(f"No critical-difference diagram is drawn: {joined.ranks.reason}.")
    heading = f"{joined.title}: tests against {titles[reference]}"
    return [_against_table("tests", heading, joined.runs, reference, titles, tuple(notes))]


def _against_table(
    name: str, heading: str, runs: pd.DataFrame, reference: str, titles: dict[str, str], notes: tuple[str, ...]
) -> Table:
    """titles: row name -> title of all rows that compete, the reference among them; they declare the family."""
    table = statistics.against(runs, reference, list(titles))
    table["title"] = [titles[method] for method in table["method"]]
    data = data_of(table)
    rows = _test_rows(table, runs, reference, "p_holm")
    return Table(name, heading, _test_columns("Holm"), rows, notes, data)


def _best_table(section: Section, best: Best, runs: pd.DataFrame, dataset: str | None) -> Table:
    table = best.table.assign(title=[section.methods[name] for name in best.table["method"]])
    where = "" if dataset is None else f" on {section.dataset_title(dataset)}"
    title = f"{section.title}: tests against the best mean{where} ({section.methods[str(best.method)]})"
    together = (
        f"p (all pairs): the best is not known beforehand, so all {best.pairs} pairs of methods are tested together, "
        "by common sign flips. "
    )
    notes = [
        f"Two-sided sign-flip tests over all pairs of (setting, seed), {RULES[section.select].title}. p: of the row "
        f"alone. {together if best.pairs else ''}{_difference_note(_of(section, dataset))} Smallest p: what "
        f"differences of these sizes can reach{' over all pairs' if best.pairs else ''}. {_COUNTED}",
        *untested_notes(section, best),
    ]
    data = data_of(table)
    rows = _test_rows(table, runs, str(best.method), "p_joint")
    name = f"{section.name}-best" + ("" if dataset is None else f"-{fit(dataset)}")
    return Table(name, title, _test_columns("all pairs"), rows, tuple(notes), data)


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
            TableCell("") if pair is None
            else TableCell(f"{pair['wins']} / {pair['ties']} / {pair['losses']}", float(pair["wins"] - pair["losses"]))
            for pair in pairs
        )  # fmt: skip
        rows.append((words(title), *cells))
    notes = ["Wins / ties / losses of the row's method over settings, by the sign of the mean paired difference."]
    ranking = ranks_of(section)
    if ranking.reason:
        lacking = left_out_note(ranking, [section])
        notes.append(" ".join(filter(None, (f"No critical-difference diagram is drawn: {ranking.reason}.", lacking))))
    notes += [note.removeprefix(f"{COLLAPSED} ") for note in collapse_notes([section], runs["address"])]
    data = data_of(table)
    title = f"{section.title}: wins and losses by setting"
    return Table(f"{section.name}-wins", title, columns, tuple(rows), tuple(notes), data)
