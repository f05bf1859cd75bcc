"""All figures of a suite, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Iterator

from reports import figure_curves as over_epochs
from reports.figure_style import Drawn
from reports.gather import Section


def draw(section: Section) -> Iterator[Drawn]:
    """Draw what the section's runs allow. Call, and save what comes, inside `figure_style.house_style`."""
    if section.frame.empty:
        return
    curves = over_epochs.Curves(section)
    found = [over_epochs.test_accuracy(section, curves), over_epochs.memorisation(section, curves)]
    named = sorted({name.split(".")[1] for name in curves.quantities() if name.startswith("observed.")} - {"selected"})
    found += [over_epochs.observed(section, curves, name) for name in named]
    found.append(over_epochs.selection(section, curves))
    yield from (drawn for drawn in found if drawn is not None)
