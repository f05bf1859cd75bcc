"""The leaderboard of a suite: methods by settings with ranks, their intervals, and what must be known of each row.

Nothing is computed here: means are of `results.aggregate`, ranks of `results.places` and `results.ranks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from reports import competition, health
from reports.badges import Badge, badges_of
from reports.deviations import deviation_notes, selection_notes
from reports.gather import Section
from reports.model import HOLE, TableCell, mean_std, number
from reports.tables import value_cell
from results import statistics
from results.aggregate import RULES
from results.best import Best
from results.places import Place, places


@dataclass(frozen=True)
class MethodFacts:
    """What a report is told of a method, by its registry name. family: "" where it says none."""

    year: int
    family: str = ""


@dataclass(frozen=True)
class Entry:
    """A row of the board.

    place: None where it is not ranked, for the reason `unranked`. mean_rank: NaN where no critical difference is
    computed. mean: over the settings, a fraction; NaN where one lacks. runs: "5", or "3-5" where settings differ.
    told: by what the row is filtered, "told" (more than the given labels), "helped" or "". bold: of the best.
    """

    row: str
    title: str
    place: Place | None
    unranked: str
    mean_rank: float
    mean: float
    cells: tuple[TableCell, ...]
    runs: str
    passes: float
    badges: tuple[Badge, ...]
    facts: MethodFacts | None
    bold: bool

    @property
    def told(self) -> str:
        kinds = {badge.kind for badge in self.badges}
        return "told" if kinds & {"told", "clean"} else "helped" if "helped" in kinds else ""


@dataclass(frozen=True)
class Board:
    """name: its anchor. page: stem of the page that has the suite's tables. ranked: False in a `reproduce` suite."""

    name: str
    title: str
    page: str
    datasets: tuple[str, ...]
    settings: tuple[str, ...]
    entries: tuple[Entry, ...]
    ranked: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def ranks(self) -> int:
        """How many rows are ranked."""
        return sum(entry.place is not None for entry in self.entries)

    @property
    def has_mean_ranks(self) -> bool:
        return any(not math.isnan(entry.mean_rank) for entry in self.entries)


def boards(section: Section, page: str, facts: Mapping[str, MethodFacts]) -> list[Board]:
    """The suite's board over all its settings and, of several data sets, one for each. facts: by registry name."""
    several = section.datasets if len(section.datasets) > 1 else []
    return [_board(section, page, facts, dataset) for dataset in (None, *several)]


def in_order(by_suite: Iterable[list[Board]]) -> list[Board]:
    """The boards of all suites: those that rank first, of these those with the most settings and rows."""
    suites = sorted(by_suite, key=lambda each: (not each[0].ranked, -len(each[0].settings), -len(each[0].entries)))
    return [board for each in suites for board in each]


def _board(section: Section, page: str, facts: Mapping[str, MethodFacts], dataset: str | None) -> Board:
    best = competition.best_of(section, dataset)
    kept = [place for place in section.places if dataset in (None, place[0])]
    cells = section.selected[section.selected["dataset"].isin([place[0] for place in kept])]
    ranks = {} if best is None or dataset is not None else competition.ranks_of(section).ranks
    placed = {} if best is None else places(best)
    rows = [row for row in section.methods if row in set(cells["method"])]
    entries = [_entry(section, row, kept, cells[cells["method"] == row], best, placed, ranks, facts) for row in rows]
    order = {row: number for number, row in enumerate(placed)}
    entries.sort(key=lambda entry: order.get(entry.row, len(order) + (entry.row in section.clean_rows)))
    datasets = tuple(section.dataset_title(name) for name in dict.fromkeys(place[0] for place in kept))
    settings = tuple(section.place_title(*place) if dataset is None else place[1] for place in kept)
    name = f"{page}-board" if dataset is None else f"{page}-board-{section.datasets.index(dataset) + 1}"
    notes = _notes(section, dataset, best, placed, bool(ranks))
    return Board(name, section.title, page, datasets, settings, tuple(entries), best is not None, tuple(notes))


def _entry(
    section: Section, row: str, kept: list[tuple[str, str]], cells: pd.DataFrame, best: Best | None,
    placed: Mapping[str, Place], ranks: Mapping[str, float], facts: Mapping[str, MethodFacts],
) -> Entry:  # fmt: skip
    datasets = {place[0] for place in kept}
    frame = section.frame[(section.frame["row"] == row) & section.frame["dataset"].isin(datasets)]
    by_place = {(str(cell["dataset"]), str(cell["setting"])): cell for _, cell in cells.iterrows()}
    counts = [int(cell["n"]) for cell in by_place.values()]
    method = next(key for key in section.first_cells if key[2] == row)
    name = str(section.first_cells[method]["spec"]["method"]["name"])
    return Entry(
        row=row, title=section.methods[row], place=placed.get(row), unranked=_unranked(section, row, best, placed),
        mean_rank=ranks.get(row, math.nan), mean=math.nan if best is None else best.means.get(row, math.nan),
        cells=tuple(_cell(section, row, place, by_place.get(place)) for place in kept),
        runs=str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)}–{max(counts)}",
        passes=mean_std(frame["passes_per_step"])[0], badges=badges_of(section, row, datasets),
        facts=facts.get(name), bold=best is not None and row in best.bold,
    )  # fmt: skip


def _cell(section: Section, row: str, place: tuple[str, str], cell: pd.Series | None) -> TableCell:
    if cell is None:
        return TableCell(HOLE, hint="not planned")
    runs = section.done(*place, row)["address"]
    whole = value_cell(cell, runs)
    if cell["n"] == cell["planned"]:  # the board has a column of runs
        told = "1 run" if cell["n"] == 1 else f"{cell['n']} runs"
        whole = replace(whole, text=whole.text.replace(f" ({cell['n']})", "", 1), hint=told)
    return health.marked_cell(whole, health.collapsed_runs(section))


def _unranked(section: Section, row: str, best: Best | None, placed: Mapping[str, Place]) -> str:
    if best is None or row in placed:
        return ""
    return "trained with clean labels" if row in section.clean_rows else "lacks runs in some setting"


def _notes(
    section: Section, dataset: str | None, best: Best | None, placed: Mapping[str, Place], mean_ranks: bool
) -> list[str]:
    shown = section.datasets if dataset is None else [dataset]
    rule = RULES[section.select].title
    notes = [f"Test accuracy (%), {rule}: mean ± sample standard deviation over seeds."]
    if best is None:
        notes.append("Each row under its own paper's procedure: nothing is ranked.")
    else:
        notes += _rank_notes(section, best, placed, mean_ranks)
    notes.append("Passes: network passes over each image of an epoch. Runs: seeds in each setting.")
    runs = section.frame.loc[section.frame["dataset"].isin(shown), "address"]
    notes += health.collapse_notes([section], runs)
    for name in shown:
        notes += [*health.diverged_notes(section, name), *selection_notes(section, name)]
        notes += deviation_notes(section, name)
    return list(dict.fromkeys(notes))


def _rank_notes(section: Section, best: Best, placed: Mapping[str, Place], mean_ranks: bool) -> list[str]:
    notes = [
        "Rank: by the mean over these settings. Interval: the ranks that the tests leave open (all pairs of methods "
        f"tested together by sign flips over (setting, seed), family-wise level {statistics.ALPHA:g}). Both are among "
        "all rows of the board, whatever is filtered."
    ]
    if all((place.low, place.high) == (1, len(placed)) for place in placed.values()):
        notes.append(f"No two methods are told apart{f': {best.reason}' if best.reason else ''}.")
    if mean_ranks:
        distance = number(competition.ranks_of(section).distance)
        notes.append(f"Mean rank: over the settings; nearer than {distance} (critical distance) is not told apart.")
    unranked = {row: _unranked(section, row, best, placed) for row in section.methods}
    return [*notes, *(f"Not ranked, {why}: {_titles(section, unranked, why)}." for why in _reasons(unranked))]


def _reasons(unranked: Mapping[str, str]) -> Iterable[str]:
    return dict.fromkeys(filter(None, unranked.values()))


def _titles(section: Section, unranked: Mapping[str, str], why: str) -> str:
    return "; ".join(section.methods[row] for row, reason in unranked.items() if reason == why)
