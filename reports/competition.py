"""Who competes in a `compare` suite, or in several together: which runs are ranked and tested, and what may be bold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.gather import Section
from results import aggregate, ranks
from results import best as best_methods
from results.best import Best
from results.ranks import CriticalDifference
from results.record import StoreError


def competitors(section: Section) -> pd.DataFrame:
    """The runs that are ranked and tested: no row of clean labels. Raises StoreError in a `reproduce` suite."""
    aggregate.comparing([section.plan])
    return section.runs[~section.runs["method"].isin(section.clean_rows)]


def competing_rows(section: Section) -> dict[str, str]:
    """Row name -> title of all that compete, run or not."""
    return {name: title for name, title in section.methods.items() if name not in section.clean_rows}


def ranks_of(section: Section) -> CriticalDifference:
    """Mean ranks over the settings of a suite. Raises StoreError in a `reproduce` suite."""
    return ranks.critical_difference(competitors(section), competing_rows(section))


@dataclass(frozen=True)
class Joined:
    """The runs that compete in several suites, as one comparison. ranks: its `reason` says why not to draw them."""

    sections: list[Section]
    select: str
    runs: pd.DataFrame
    ranks: CriticalDifference

    @property
    def rows(self) -> dict[str, str]:
        """Row name -> title of all that compete in any suite."""
        return _all_rows(self.sections)

    @property
    def title(self) -> str:
        return f"All comparisons: {len(self.runs.drop_duplicates(['dataset', 'setting']))} settings"


def _all_rows(sections: Sequence[Section]) -> dict[str, str]:
    titles: dict[str, str] = {}
    for section in sections:
        titles = competing_rows(section) | titles
    return ranks.distinct_titles(titles)


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
    return Joined(joined, select, runs, ranks.critical_difference(runs, _all_rows(joined)))


def best_of(section: Section, dataset: str | None = None) -> Best | None:
    """What may be bold in a table of this data set, or of all; None in a `reproduce` suite."""
    if not section.compares:
        return None
    runs = competitors(section)
    return best_methods.best(
        runs if dataset is None else runs[runs["dataset"] == dataset], list(competing_rows(section))
    )


def left_out_note(ranking: CriticalDifference, sections: Sequence[Section]) -> str:
    """Which methods the ranks leave out, and which setting they lack; empty where all are ranked."""
    if not ranking.left_out:
        return ""
    settings = {place for section in sections for place in section.places}
    datasets = {dataset: section.dataset_title(dataset) for section in sections for dataset in section.datasets}

    def lacking(places: Sequence[tuple[str, str]]) -> str:
        if len(places) == len(settings):
            return "no runs"
        named = [f"{datasets[dataset]}, {setting}" if len(datasets) > 1 else setting for dataset, setting in places]
        more = f" and {len(named) - _NAMED} more settings" if len(named) > _NAMED + 1 else ""
        return f"no value in {'; '.join(named[: _NAMED if more else None])}{more}"

    names = "; ".join(f"{title} ({lacking(places)})" for title, places in ranking.left_out.items())
    return f"Not ranked: {names}."


_NAMED = 3
"""So many settings that a method lacks are named; of one more, all are."""


def untested_notes(section: Section, best: Best) -> list[str]:
    """Who is bold or not bold without a test."""
    notes = []
    if best.bold and best.untested:
        names = ", ".join(section.methods[name] for name in best.untested)
        notes.append(f"Not testable against the best, and bold as well: {names}.")
    if best.method is not None and best.incomplete:
        names = ", ".join(section.methods[name] for name in best.incomplete)
        notes.append(f"Not ranked, because runs are missing in some setting: {names}.")
    return notes
