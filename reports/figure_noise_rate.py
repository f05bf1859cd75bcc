"""Accuracy against the nominal noise rate, for noise models that a suite has at several rates."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection

import pandas as pd

from reports.deviations import selection_words
from reports.figure_looks import styles_of
from reports.figure_overview import cell_means, keys_of, means_data, spread
from reports.figure_panels import panels
from reports.figure_style import Drawn, handle
from reports.figure_texts import labels_of
from reports.gather import Section
from results.aggregate import RULES
from results.noise_names import is_clean
from results.record import canonical

_Family = tuple[str, str, str]
"""Data set, noise model and its options as canonical JSON: what one line of accuracy against noise rate may join."""


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
    means = cell_means(section)
    if not shown or not means:
        return None
    titles = [_family_title(section, family, families) for family in shown]
    used = [name for name in section.methods if any(key[2] == name for key in means)]
    looks, names = styles_of(tuple(section.methods)), labels_of(section.methods)
    labels = [names[name] for name in used]
    drawn = panels(titles, x="nominal noise rate (%)", y="test accuracy (%)", width=2.7, height=2.2, entries=labels,
                   tall_titles=any("\n" in title for title in titles))  # fmt: skip
    for axis, ((dataset, *_), rates) in zip(drawn.axes, shown.items(), strict=True):
        for name in used:
            points = [
                (100 * rate, *means[dataset, rates[rate], name])
                for rate in sorted(rates) if (dataset, rates[rate], name) in means
            ]  # fmt: skip
            if points:
                x, y, deviations = (list(part) for part in zip(*points, strict=True))
                style = looks[name]
                axis.errorbar(x, y, spread(deviations), linestyle=style.dash, elinewidth=0.8, capsize=2, markersize=4,
                              **style.mark())  # fmt: skip
    drawn.legend([handle(names[name], looks[name], marker=True) for name in used])
    caption = (
        f"Test accuracy by {RULES[section.select].title}, mean over seeds; bars: sample standard deviation, which one "
        f"run does not have.{selection_words(section)}"
    )
    data = pd.concat([_family_data(section, family, rates, used, means) for family, rates in shown.items()])
    return Drawn(f"{section.name}-noise-rate", "Accuracy against noise rate", caption, drawn.figure, data)


def _family_data(
    section: Section, family: _Family, rates: dict[float, str], used: list[str],
    means: dict[tuple[str, str, str], tuple[float, float]],
) -> pd.DataFrame:  # fmt: skip
    dataset, model, options = family
    keys = {(dataset, rates[rate], name): rate for name in used for rate in sorted(rates)}
    data = means_data(section, keys, means)
    nominal = [round(100 * keys[key], 6) for key in keys_of(data)]
    return data.assign(noise=model, options=options, nominal_rate_percent=nominal)
