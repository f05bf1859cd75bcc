"""Figures over settings: accuracy by method, and against cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from reports.costs import cost_note
from reports.deviations import selection_words
from reports.figure_looks import styles_of
from reports.figure_panels import panels
from reports.figure_style import INK, PAPER, Drawn
from reports.figure_texts import inches, labels_of
from reports.gather import Section
from results.aggregate import RULES

_Means = dict[tuple[str, str, str], tuple[float, float]]
"""Data set, setting, method -> mean and sample deviation in percent."""


def cell_means(section: Section, rule: str = "") -> _Means:
    """Data set, setting, method -> mean and sample deviation in percent by the rule (default: each row's)."""
    chosen = section.cells[section.cells["rule"] == rule] if rule else section.selected
    return {
        (str(cell["dataset"]), str(cell["setting"]), str(cell["method"])): (100 * cell["mean"], 100 * cell["std"])
        for cell in chosen[chosen["n"] > 0].to_dict("records")
    }


def spread(values: list[float]) -> list[float]:
    """Deviations for error bars: none where there is one run."""
    return [0.0 if math.isnan(value) else value for value in values]


def _dots(axis: Axes, row: int, cell: tuple[float, float], best: float, color: str) -> None:
    """One method's mean with its deviation, and a line to an open circle at its best test epoch (nan: none)."""
    mean, deviation = cell
    if not math.isnan(best):
        axis.plot([mean, best], [row, row], color=color, linewidth=0.8)
        axis.plot(best, row, color=color, marker="o", markersize=4, markerfacecolor=PAPER, linestyle="")
    axis.errorbar(mean, row, xerr=spread([deviation]), color=color, marker="o", markersize=4.5, elinewidth=0.8,
                  capsize=2, linestyle="")  # fmt: skip


def accuracy(section: Section) -> Drawn | None:
    """Accuracy of every method beside what its best test epoch would have given, one panel a setting.

    Methods stand in the suite's order; where there is one setting, the best stands first.
    """
    means, oracle = cell_means(section), cell_means(section, "best_test")
    places = [place for place in section.places if any(key[:2] == place for key in means)]
    used = [name for name in section.methods if any(key[2] == name for key in means)]
    if not places:
        return None
    if len(places) == 1:
        used.sort(key=lambda name: -means[*places[0], name][0])
    looks, names = styles_of(tuple(section.methods)), labels_of(section.methods, share=0.45)
    rules = [RULES[section.select].title] + [RULES["best_test"].title] * (section.select != "best_test")
    drawn = panels(
        [section.place_title(*place) for place in places], x="test accuracy (%)", width=2.2 if len(places) > 1 else 4.2,
        height=0.2 + 0.15 * len(used), entries=rules, share_x=False, most=3, of_rows=True,
        left=0.2 + max(inches(names[name], 7) for name in used),
    )  # fmt: skip
    for axis, place in zip(drawn.axes, places, strict=True):
        for row, name in enumerate(used):
            if (*place, name) in means:
                best = oracle[*place, name][0] if len(rules) > 1 and (*place, name) in oracle else math.nan
                _dots(axis, row, means[*place, name], best, looks[name].color)
        axis.xaxis.set_major_locator(MaxNLocator(5))
    drawn.axes[0].set_ylim(len(used) - 0.4, -0.6)
    drawn.axes[0].set_yticks(range(len(used)), [names[name] for name in used])
    drawn.legend([
        Line2D([], [], color=INK, marker="o", markerfacecolor=face, linestyle="", label=label)
        for label, face in zip(rules, (INK, PAPER), strict=False)
    ])  # fmt: skip
    caption = (
        f"Test accuracy by {rules[0]}, mean over seeds; bars: sample standard deviation, which one run does not have."
    )
    caption += selection_words(section)
    if len(rules) > 1:
        caption += " Open circles: the best test epoch, an oracle that no one could have chosen without test labels."
    data = means_data(section, [(*place, name) for place in places for name in used], means)
    data["best_test_percent"] = [oracle.get(key, (math.nan,))[0] for key in keys_of(data)]
    return Drawn(f"{section.name}-accuracy", "Accuracy by method", caption, drawn.figure, data.round(6))


def means_data(section: Section, keys: Iterable[tuple[str, str, str]], means: _Means) -> pd.DataFrame:
    """The means of these cells and their sample deviations, where there are any."""
    rows = [(*key, section.methods[key[2]], *means[key]) for key in keys if key in means]
    names = ["dataset", "setting", "method", "title", "mean_percent", "std_percent"]
    return pd.DataFrame(rows, columns=names).round(6)


def keys_of(data: pd.DataFrame) -> list[tuple[str, str, str]]:
    return [(str(row["dataset"]), str(row["setting"]), str(row["method"])) for row in data.to_dict("records")]


def cost(section: Section) -> Drawn | None:
    """Accuracy against the time that a run took, one panel a setting."""
    means = cell_means(section)
    places = [place for place in section.places if any(key[:2] == place for key in means)]
    seconds = {key: float(section.done(*key)["seconds"].mean()) for key in means}
    known = [value for value in seconds.values() if math.isfinite(value) and value > 0]
    if not places or not known:
        return None
    used = [name for name in section.methods if any(key[2] == name for key in means)]
    titles = [section.place_title(*place) for place in places]
    looks, names = styles_of(tuple(section.methods)), labels_of(section.methods)
    labels = [names[name] for name in used]
    drawn = panels(titles, x="time of a run (s)", y="test accuracy (%)", entries=labels)
    for axis, place in zip(drawn.axes, places, strict=True):
        for name in used:
            if (*place, name) in means:
                mean, deviation = means[*place, name]
                style = looks[name]
                axis.errorbar(seconds[*place, name], mean, spread([deviation]), elinewidth=0.8, capsize=2,
                              markersize=5.5, linestyle="", **style.mark())  # fmt: skip
        if max(known) > 5 * min(known):
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_locator(NullLocator())
        else:
            axis.set_xlim(0, 1.1 * max(known))
            axis.xaxis.set_major_locator(MaxNLocator(5))
    drawn.legend([
        Line2D([], [], linestyle="", label=names[name], markersize=5, **looks[name].mark()) for name in used
    ])  # fmt: skip
    caption = (
        f"Test accuracy by {RULES[section.select].title}; mean time of a run on the machine that executed it; bars: "
        f"sample standard deviation over seeds.{selection_words(section)} {cost_note(section)}"
    )
    data = means_data(section, [(*place, name) for place in places for name in used], means)
    data["run_seconds"] = [seconds[key] for key in keys_of(data)]
    return Drawn(f"{section.name}-cost", "Accuracy against cost", caption, drawn.figure, data.round(6))
