"""All figures of a suite, in the order in which the page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from reports import competition
from reports import figure_curves as over_epochs
from reports import figure_detection as detection
from reports import figure_matrices as matrices
from reports import figure_overview as overview
from reports.curve_means import curves_of
from reports.figure_calibration import calibration
from reports.figure_classes import class_accuracy
from reports.figure_noise_rate import noise_rate
from reports.figure_page import page
from reports.figure_parts import in_parts
from reports.figure_ranks import ROWS, critical_difference, fits_a_page, mean_ranks
from reports.figure_samples import sample_grids
from reports.figure_scores import score_histograms
from reports.figure_selection import selection
from reports.figure_style import Drawn
from reports.gather import Section
from results.ranks import CriticalDifference


def draw(section: Section) -> Iterator[Drawn]:
    """Draw what the section's runs allow. Call, and save what comes, inside `figure_style.house_style`."""
    if section.frame.empty:
        return
    names: set[str] = set()
    for drawn in _all(section):
        name = drawn.name
        while name in names:  # a method may observe a value called "accuracy"
            name += "-2"
        names.add(name)
        yield replace(drawn, name=name)


def _all(section: Section) -> Iterator[Drawn]:
    curves, scores = curves_of(section), detection.Scores(section)
    yield from in_parts(section, overview.accuracy)
    yield from in_parts(section, partial(over_epochs.test_accuracy, curves=curves))
    yield from in_parts(section, partial(over_epochs.memorisation, curves=curves))
    for name in sorted(over_epochs.observed_names(curves) - {"selected"}):
        yield from in_parts(section, partial(over_epochs.observed, curves=curves, quantity=name))
    yield from in_parts(section, partial(selection, curves=curves))
    yield from in_parts(section, noise_rate, by_settings=False)
    if section.compares:
        ranking = competition.ranks_of(section)
        yield from rank_figures(f"{section.name}-", ranking, section.select, [section])
    yield from in_parts(section, overview.cost)
    yield from in_parts(section, partial(detection.detection_curves, scores=scores))
    yield from in_parts(section, partial(score_histograms, scores=scores))
    yield from sample_grids(section, scores)
    yield from in_parts(section, matrices.transitions)
    yield from in_parts(section, class_accuracy)
    yield from in_parts(section, matrices.confusion)
    yield from in_parts(section, calibration)


def rank_figures(prefix: str, ranking: CriticalDifference, rule: str, sections: Iterable[Section]) -> Iterator[Drawn]:
    """The critical-difference diagram, and in print the mean ranks as a plot; none where nothing may be ranked."""
    if ranking.reason:
        return
    left_out = competition.left_out_note(ranking, list(sections))
    if not page().printed or fits_a_page(ranking):
        yield critical_difference(f"{prefix}critical-difference", ranking, rule, left_out)
    firsts = range(0, len(ranking.ranks), ROWS) if page().printed else ()
    for number, first in enumerate(firsts, 1):
        name = f"{prefix}mean-ranks" + (f"-{number}" if len(firsts) > 1 else "")
        yield mean_ranks(name, ranking, rule, left_out, first)
