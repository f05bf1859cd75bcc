"""All figures of a suite, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reports import comparison
from reports import figure_curves as over_epochs
from reports import figure_detection as detection
from reports import figure_matrices as classes
from reports import figure_overview as overview
from reports.figure_ranks import critical_difference
from reports.figure_samples import sample_grids
from reports.figure_style import Drawn
from reports.gather import Section
from results import statistics


def draw(section: Section) -> Iterator[Drawn]:
    """Draw what the section's runs allow. Call, and save what comes, inside `figure_style.house_style`."""
    if section.frame.empty:
        return
    curves, scores = over_epochs.Curves(section), detection.Scores(section)
    named = sorted(over_epochs.observed_names(curves) - {"selected"})
    found = [
        overview.accuracy(section),
        over_epochs.test_accuracy(section, curves),
        over_epochs.memorisation(section, curves),
        *(over_epochs.observed(section, curves, name) for name in named),
        over_epochs.selection(section, curves),
        overview.noise_rate(section),
        _ranks(section),
        overview.cost(section),
        detection.detection_curves(section, scores),
        detection.score_histograms(section, scores),
        *sample_grids(section, scores),
        classes.transitions(section),
        classes.class_accuracy(section),
        classes.confusion(section),
        overview.calibration(section),
    ]
    names: set[str] = set()
    for drawn in filter(None, found):
        name = drawn.name
        while name in names:  # a method may observe a value called "accuracy"
            name += "-2"
        names.add(name)
        yield replace(drawn, name=name)


def _ranks(section: Section) -> Drawn | None:
    if not section.compares:
        return None
    found = statistics.critical_difference(comparison.competitors(section))
    if found.reason:
        return None
    return critical_difference(f"{section.name}-critical-difference", found, section.select)
