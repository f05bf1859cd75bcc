"""Figures over settings: accuracy by method, against noise rate and cost; calibration."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from reports.figure_style import INK, PAPER, Drawn, handle, panels, style_of
from reports.gather import Section
from results.aggregate import RULES
from results.noise_names import is_clean
from results.record import canonical

_Family = tuple[str, str, str]
"""Data set, noise model and its options as canonical JSON: what one line of accuracy against noise rate may join."""


def _cell_means(section: Section, rule: str = "") -> dict[tuple[str, str, str], tuple[float, float]]:
    """Data set, setting, method -> mean and sample deviation in percent by the rule (default: the suite's)."""
    chosen = section.cells[(section.cells["rule"] == (rule or section.select)) & (section.cells["n"] > 0)]
    return {
        (str(cell["dataset"]), str(cell["setting"]), str(cell["method"])): (100 * cell["mean"], 100 * cell["std"])
        for cell in chosen.to_dict("records")
    }


def _spread(values: list[float]) -> list[float]:
    """Deviations for error bars: none where there is one run."""
    return [0.0 if math.isnan(value) else value for value in values]


def _dots(axis: Axes, row: int, cell: tuple[float, float], best: float, color: str) -> None:
    """One method's mean with its deviation, and a line to an open circle at its best test epoch (nan: none)."""
    mean, spread = cell
    if not math.isnan(best):
        axis.plot([mean, best], [row, row], color=color, linewidth=0.8)
        axis.plot(best, row, color=color, marker="o", markersize=4, markerfacecolor=PAPER, linestyle="")
    axis.errorbar(mean, row, xerr=_spread([spread]), color=color, marker="o", markersize=4.5, elinewidth=0.8,
                  capsize=2, linestyle="")  # fmt: skip


def accuracy(section: Section) -> Drawn | None:
    """Accuracy of every method beside what its best test epoch would have given, one panel a setting.

    Methods stand in the suite's order; where there is one setting, the best stands first.
    """
    found, oracle = _cell_means(section), _cell_means(section, "best_test")
    places = [place for place in section.places if any(key[:2] == place for key in found)]
    used = [name for name in section.methods if any(key[2] == name for key in found)]
    if not places:
        return None
    if len(places) == 1:
        used.sort(key=lambda name: -found[*places[0], name][0])
    rules = [RULES[section.select].title] + [RULES["best_test"].title] * (section.select != "best_test")
    drawn = panels(
        [section.place_title(*place) for place in places], x="test accuracy (%)", width=2.2 if len(places) > 1 else 4.2,
        height=0.2 + 0.15 * len(used), entries=rules, share_x=False, most=3,
        left=0.2 + 0.062 * max(len(section.methods[name]) for name in used),
    )  # fmt: skip
    for axis, place in zip(drawn.axes, places, strict=True):
        for row, name in enumerate(used):
            if (*place, name) in found:
                best = oracle[*place, name][0] if len(rules) > 1 and (*place, name) in oracle else math.nan
                _dots(axis, row, found[*place, name], best, style_of(name).color)
        axis.xaxis.set_major_locator(MaxNLocator(5))
    drawn.axes[0].set_ylim(len(used) - 0.4, -0.6)
    drawn.axes[0].set_yticks(range(len(used)), [section.methods[name] for name in used])
    drawn.legend([
        Line2D([], [], color=INK, marker="o", markerfacecolor=face, linestyle="", label=label)
        for label, face in zip(rules, (INK, PAPER), strict=False)
    ])  # fmt: skip
    caption = (
        f"Test accuracy by {rules[0]}, mean over seeds; bars: sample standard deviation, which one run does not have."
    )
    if len(rules) > 1:
        caption += " Open circles: the best test epoch, an oracle that no one could have chosen without test labels."
    return Drawn(f"{section.name}-accuracy", "Accuracy by method", caption, drawn.figure)


def _rates(section: Section) -> dict[_Family, dict[float, str]]:
    """Each noise model with its options -> rate -> setting; clean labels are rate 0 of all of them."""
    families: dict[_Family, dict[float, str]] = defaultdict(dict)
    clean: dict[str, str] = {}
    for cell in section.plan["cells"]:
        noise = cell["noise"] if "noise" in cell else cell["spec"]["noise"]
        if is_clean(noise["model"]):
            clean[cell["dataset"]] = cell["setting"]
        else:
            family = cell["dataset"], noise["model"], canonical(noise.get("options") or {})
            families[family][float(noise["rate"])] = cell["setting"]
    for (dataset, *_), rates in families.items():
        if dataset in clean:
            rates.setdefault(0.0, clean[dataset])
    return families


def _family_title(section: Section, family: _Family, families: Collection[_Family]) -> str:
    """The noise model; in a second line what it has for the options in which others of its name differ."""
    dataset, model, options = family
    own, *others = (json.loads(text) for text in [options, *(each[2] for each in families if each[:2] == family[:2])])
    told = [
        f"{name.replace('_', ' ')} {str(value).replace('_', ' ')}"
        for name, value in own.items() if any(name not in other or other[name] != value for other in others)
    ]  # fmt: skip
    title = section.place_title(dataset, model.replace("_", " "))
    return "\n".join([title, ", ".join(told)]) if told else title


def noise_rate(section: Section) -> Drawn | None:
    """Accuracy against the nominal noise rate, one panel for each noise model and options that have several rates."""
    families = _rates(section)
    shown = {family: rates for family, rates in families.items() if len(rates) > 1}
    found = _cell_means(section)
    if not shown or not found:
        return None
    titles = [_family_title(section, family, families) for family in shown]
    used = [name for name in section.methods if any(key[2] == name for key in found)]
    labels = [section.methods[name] for name in used]
    drawn = panels(titles, x="nominal noise rate (%)", y="test accuracy (%)", width=2.7, height=2.2, entries=labels,
                   tall_titles=any("\n" in title for title in titles))  # fmt: skip
    for axis, ((dataset, *_), rates) in zip(drawn.axes, shown.items(), strict=True):
        for name in used:
            points = [
                (100 * rate, *found[dataset, rates[rate], name])
                for rate in sorted(rates) if (dataset, rates[rate], name) in found
            ]  # fmt: skip
            if points:
                x, y, spread = (list(part) for part in zip(*points, strict=True))
                style = style_of(name)
                axis.errorbar(x, y, _spread(spread), color=style.color, linestyle=style.dash, marker=style.marker,
                              elinewidth=0.8, capsize=2, markersize=4)  # fmt: skip
    drawn.legend([handle(section.methods[name], style_of(name), marker=True) for name in used])
    caption = (
        f"Test accuracy by {RULES[section.select].title}, mean over seeds; bars: sample standard deviation, which one "
        "run does not have."
    )
    return Drawn(f"{section.name}-noise-rate", "Accuracy against noise rate", caption, drawn.figure)


def cost(section: Section) -> Drawn | None:
    """Accuracy against the time that a run took, one panel a setting."""
    found = _cell_means(section)
    places = [place for place in section.places if any(key[:2] == place for key in found)]
    seconds = {key: float(section.done(*key)["seconds"].mean()) for key in found}
    known = [value for value in seconds.values() if math.isfinite(value) and value > 0]
    if not places or not known:
        return None
    used = [name for name in section.methods if any(key[2] == name for key in found)]
    titles = [section.place_title(*place) for place in places]
    labels = [section.methods[name] for name in used]
    drawn = panels(titles, x="time of a run (s)", y="test accuracy (%)", entries=labels)
    for axis, place in zip(drawn.axes, places, strict=True):
        for name in used:
            if (*place, name) in found:
                mean, spread = found[*place, name]
                style = style_of(name)
                axis.errorbar(seconds[*place, name], mean, _spread([spread]), color=style.color, marker=style.marker,
                              elinewidth=0.8, capsize=2, markersize=5.5, linestyle="")  # fmt: skip
        if max(known) > 5 * min(known):
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_locator(NullLocator())
        else:
            axis.set_xlim(0, 1.1 * max(known))
            axis.xaxis.set_major_locator(MaxNLocator(5))
    drawn.legend([
        Line2D([], [], color=style_of(name).color, marker=style_of(name).marker, linestyle="",
               label=section.methods[name], markersize=5) for name in used
    ])  # fmt: skip
    caption = (
        f"Test accuracy by {RULES[section.select].title}; mean time of a run on the machine that executed it; bars: "
        "sample standard deviation over seeds."
    )
    return Drawn(f"{section.name}-cost", "Accuracy against cost", caption, drawn.figure)


def calibration(section: Section) -> Drawn | None:
    """Accuracy against confidence on the test set, in bins, joined over seeds."""
    lines: dict[tuple[tuple[str, str], str], pd.DataFrame] = {}
    for place in section.places:
        for name in section.methods:
            tables = [
                pd.DataFrame(bins) for address in section.done(*place, name)["address"]
                if (bins := section.material.records[address]["final"].get("calibration"))
            ]  # fmt: skip
            if tables:
                lines[place, name] = _joined_bins(tables)
    if not lines:
        return None
    places = [place for place in section.places if any(key[0] == place for key in lines)]
    used = [name for name in section.methods if any(key[1] == name for key in lines)]
    titles = [section.place_title(*place) for place in places]
    labels = [section.methods[name] for name in used]
    drawn = panels(titles, x="confidence", y="accuracy", width=1.9, height=1.9, entries=labels)
    for axis, place in zip(drawn.axes, places, strict=True):
        axis.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
        for name in used:
            if (place, name) in lines:
                style, line = style_of(name), lines[place, name]
                axis.plot(line["confidence"], line["accuracy"], color=style.color, linestyle=style.dash,
                          marker=style.marker, markersize=3)  # fmt: skip
    drawn.axes[0].set(xlim=(0, 1.02), ylim=(0, 1.02))
    drawn.legend([handle(section.methods[name], style_of(name), marker=True) for name in used])
    caption = (
        "Accuracy against confidence on the test set at the last epoch, in 15 bins, joined over seeds; bins with less "
        "than 1% of the images are left out. Below the dashed diagonal a network is overconfident."
    )
    return Drawn(f"{section.name}-calibration", "Calibration", caption, drawn.figure)


def _joined_bins(tables: list[pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat(tables).reset_index(names="bin")
    weighted = joined[["confidence", "accuracy"]].astype(float).mul(joined["count"], axis=0)
    total = weighted.assign(bin=joined["bin"], count=joined["count"]).groupby("bin").sum()
    kept = total[total["count"] >= 0.01 * total["count"].sum()]
    return kept[["confidence", "accuracy"]].div(kept["count"], axis=0)
