"""Figures over epochs: test accuracy, memorisation, values of clean and mislabelled samples, purity of a selection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reports.curve_means import Curves
from reports.figure_looks import Style, styles_of
from reports.figure_panels import Panels, panels
from reports.figure_style import CLEAN, WRONG, Drawn, handle, interval
from reports.figure_texts import labels_of
from reports.gather import Section
from reports.names import fit

INTERVAL = "Lines: mean over seeds; bands: 95% interval of the mean (Student's t), which one run does not have."


def _band(line: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Low and high end of a line's band, which stays between 0 and 1 where all values are shares."""
    shares = line["mean"].between(0, 1).all()
    low, high = (line[name].clip(0, 1) if shares else line[name] for name in ("low", "high"))
    return low, high


def draw_line(axis: Axes, line: pd.DataFrame, style: Style, order: int = 0) -> None:
    """A mean line with its band; a few markers, shifted for each line so that they do not hide each other."""
    step = max(1, len(line) // 5)
    interval(axis, line["epoch"], *_band(line), style.color)
    axis.plot(line["epoch"], line["mean"], linestyle=style.dash, markevery=(order % step, step), **style.mark())


def _epochs(drawn: Panels) -> None:
    for axis in drawn.axes:
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.margins(x=0.02)


def _in_percent(axes: Iterable[Axes]) -> None:
    for axis in axes:
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
        axis.yaxis.set_major_locator(MaxNLocator(5))


LineKey = tuple[str, tuple[str, str], str]
"""Quantity, place (data set and setting) and method of a line."""


def line_data(section: Section, lines: dict[LineKey, pd.DataFrame], in_percent: bool = True) -> pd.DataFrame:
    """The lines below each other: mean and interval by epoch, shares in percent."""
    parts = []
    for (quantity, (dataset, setting), method), line in lines.items():
        place = {"dataset": dataset, "setting": setting, "method": method, "title": section.methods[method]}
        low, high = _band(line)
        values = line[["mean"]].assign(low=low, high=high) * (100 if in_percent else 1)
        values = values.round(6).add_suffix("_percent" if in_percent else "")
        parts.append(pd.concat([line["epoch"], values], axis=1).assign(**place, quantity=quantity))
    first = ["dataset", "setting", "method", "title", "quantity", "epoch"]
    table = pd.concat(parts, ignore_index=True)
    return table[[*first, *(name for name in table.columns if name not in first)]]


def of_kept_settings(
    lines: dict[LineKey, pd.DataFrame], rows: Sequence[tuple[str, str]]
) -> dict[LineKey, pd.DataFrame]:
    """The lines without settings that lack the first quantity, or the last where none has the first."""
    first = rows[0][1] if any(key[0] == rows[0][1] for key in lines) else rows[-1][1]
    kept = {place for quantity, place, _ in lines if quantity == first}
    return {key: line for key, line in lines.items() if key[1] in kept}


def lines_by_setting(
    section: Section, lines: dict[LineKey, pd.DataFrame], y: str, rows: Sequence[tuple[str, str]]
) -> Panels | None:
    """Panels of settings and quantities, one line a method. rows: title and name of each quantity.

    Quantities stand side by side where the settings are few.
    """
    used = [method for method in section.methods if any(key[2] == method for key in lines)]
    kept = [place for place in section.places if any(key[1] == place for key in lines)]
    if not kept:
        return None
    wide = len(rows) > 1 and len(kept) > len(rows)
    order = [(row, place) for row in rows for place in kept] if wide else [(row, p) for p in kept for row in rows]
    titles = [section.place_title(*place) + (f": {title}" if title else "") for (title, _), place in order]
    looks, names = styles_of(tuple(section.methods)), labels_of(section.methods)
    labels = [names[method] for method in used]
    most = 4 if len(rows) == 1 else min(len(kept), 6) if wide else len(rows)
    drawn = panels(titles, x="epoch", y=y, most=most, entries=labels)
    for axis, ((_, quantity), place) in zip(drawn.axes, order, strict=True):
        for number, method in enumerate(used):
            if (quantity, place, method) in lines:
                draw_line(axis, lines[quantity, place, method], looks[method], number)
    _in_percent(drawn.axes)
    _epochs(drawn)
    drawn.legend([handle(names[method], looks[method], marker=True) for method in used])
    return drawn


def _recorded(section: Section, curves: Curves, quantities: Iterable[str]) -> dict[LineKey, pd.DataFrame]:
    return {
        (quantity, place, method): line
        for quantity in quantities for place in section.places for method in section.methods
        if (line := curves.of(section, place, method, quantity)) is not None
    }  # fmt: skip


def test_accuracy(section: Section, curves: Curves) -> Drawn | None:
    """Test accuracy by epoch, one panel a setting."""
    lines = _recorded(section, curves, ["test_accuracy"])
    drawn = lines_by_setting(section, lines, "test accuracy (%)", [("", "test_accuracy")])
    if drawn is None:
        return None
    caption = INTERVAL
    data = line_data(section, lines).drop(columns="quantity")
    return Drawn(f"{section.name}-test-accuracy", "Test accuracy by epoch", caption, drawn.figure, data)


def memorisation(section: Section, curves: Curves) -> Drawn | None:
    """Shares of the mislabelled samples predicted as given and as true label, and of the clean ones as given."""
    rows = [
        ("memorised", "memorisation.mislabelled_given"), ("corrected", "memorisation.mislabelled_true"),
        ("clean fitted", "memorisation.clean_given"),
    ]  # fmt: skip
    titles = {quantity: title for title, quantity in rows}
    lines = of_kept_settings(_recorded(section, curves, list(titles)), rows)
    drawn = lines_by_setting(section, lines, "share of samples (%)", rows)
    if drawn is None:
        return None
    caption = (
        "Measured in evaluation mode on the unaugmented training set. Memorised: mislabelled samples "
        "predicted as their wrong given label; corrected: as their true label; clean fitted: clean samples predicted "
        f"as their label. {INTERVAL}"
    )
    data = line_data(section, {(titles[key[0]], *key[1:]): line for key, line in lines.items()})
    return Drawn(f"{section.name}-memorisation", "Memorisation by epoch", caption, drawn.figure, data)


GROUPS = {"clean": CLEAN, "mislabelled": WRONG}


def observed_names(curves: Curves) -> set[str]:
    """Names of the values that methods observed."""
    endings = tuple(f".{group}" for group in GROUPS)
    quantities = [name for name in curves.quantities() if name.startswith("observed.") and name.endswith(endings)]
    return {name.removeprefix("observed.").rpartition(".")[0] for name in quantities}


def observed(section: Section, curves: Curves, quantity: str) -> Drawn | None:
    """A value that methods observe in training (such as CAR's h), mean over clean and over mislabelled samples."""
    lines = {
        (place, method, group): line
        for place in section.places for method in section.methods for group in GROUPS
        if (line := curves.of(section, place, method, f"observed.{quantity}.{group}")) is not None
    }  # fmt: skip
    shown = list(dict.fromkeys((place, method) for place, method, _ in lines))
    if not shown:
        return None
    words = quantity.replace("_", " ")
    several, names = len({method for _, method in shown}) > 1, labels_of(section.methods)
    titles = [
        section.place_title(*place) + (f"\n{names[method]}" if several else "") for place, method in shown
    ]  # fmt: skip
    drawn = panels(titles, x="epoch", y=f"mean {words}", entries=list(GROUPS), tall_titles=several)
    dashes: dict[str, Any] = {"clean": "-", "mislabelled": "--"}
    for axis, (place, method) in zip(drawn.axes, shown, strict=True):
        for group, color in GROUPS.items():
            if (place, method, group) in lines:
                draw_line(axis, lines[place, method, group], Style(color, dashes[group], ""))
    _epochs(drawn)
    drawn.legend([Line2D([], [], color=color, ls=dashes[group], label=group) for group, color in GROUPS.items()])
    who = ", ".join(dict.fromkeys(section.methods[method] for _, method in shown))
    title = f"{'Confidence h' if quantity == 'confidence' else words.capitalize()} of clean and mislabelled samples"
    caption = f"Seen in the training passes ({who}). {INTERVAL}"
    data = line_data(section, {(group, place, method): line for (place, method, group), line in lines.items()}, False)
    return Drawn(f"{section.name}-{fit(quantity.replace('_', '-'))}", title, caption, drawn.figure, data)
