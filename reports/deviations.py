"""What a row of a `reproduce` suite has of its own: its paper's selection rule, and in what it is not its procedure."""

from __future__ import annotations

from collections.abc import Iterable

from common.plan import PlanCell
from reports.gather import Section
from results.aggregate import RULES

DEVIATES = "not the published procedure"


def deviations_of(section: Section, dataset: str, setting: str, method: str) -> tuple[str, ...]:
    """The deviations that the row declares in this place."""
    return tuple(section.first_cells[dataset, setting, method].get("deviations", ()))


def deviation_notes(section: Section, dataset: str) -> list[str]:
    """A note for each deviation of a row, and where it has it if that is not everywhere."""
    return [
        f"{section.methods[method]}{where}: {DEVIATES}: {text}."
        for method in section.methods
        for text, where in _told(section, _cells(section, dataset, method), "deviations")
    ]


def selection_notes(section: Section, dataset: str) -> list[str]:
    """A note for each row that stands under a selection rule of its own."""
    return [
        f"{section.methods[method]}{where}: {RULES[rule].title}, as its paper reports it."
        for method in section.methods
        for rule, where in _told(section, _cells(section, dataset, method), "selection")
        if rule != section.select and not section.forced
    ]


def selection_words(section: Section) -> str:
    """The same as sentences, for the caption of a figure over all data sets; empty where no row has its own."""
    notes = [note for dataset in section.datasets for note in selection_notes(section, dataset)]
    return "".join(f" {note}" for note in dict.fromkeys(notes))


def _cells(section: Section, dataset: str, method: str) -> list[PlanCell]:
    return [cell for place, cell in section.first_cells.items() if (place[0], place[2]) == (dataset, method)]


def _told(section: Section, cells: list[PlanCell], key: str) -> Iterable[tuple[str, str]]:
    """Each value of an optional key of the cells, with the settings that have it; nothing said where all do."""
    settings: dict[str, list[str]] = {}
    for cell in cells:
        values = cell.get(key, ())
        for value in (values,) if isinstance(values, str) else values:  # type: ignore[attr-defined]
            settings.setdefault(str(value), []).append(cell["setting"])
    return [(value, "" if len(there) == len(cells) else f" ({', '.join(there)})") for value, there in settings.items()]
