"""The accuracy of each class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns

from reports.figure_matrices import NAMED, Matrix, class_names, mean_of, room_of
from reports.figure_page import page, points
from reports.figure_panels import panels
from reports.figure_style import Drawn
from reports.figure_texts import labels_of
from reports.gather import Section

_NUMBER = 0.22  # inches that a number in a printed cell takes up


def class_accuracy(section: Section) -> Drawn | None:
    """Test accuracy of each class, a row a method, a panel a setting."""
    accuracies = {
        (place, method): values
        for place in section.places for method in section.methods
        if (values := mean_of(section, place, method, "final", "per_class_accuracy")) is not None
    }  # fmt: skip
    if not accuracies:
        return None
    places = list(dict.fromkeys(place for place, _ in accuracies))
    methods = [method for method in section.methods if any(key[1] == method for key in accuracies)]
    rows = labels_of(section.methods, 26, share=0.4)
    titles = [rows[method] for method in methods]
    height = max(0.7, 0.17 * len(titles))
    named = [name for place in places for name in class_names(section, place)]
    below = room_of(named, 6.5) if len(named) <= NAMED * len(places) else 0.3
    headings = [section.place_title(*place) for place in places]
    drawn = panels(headings, width=3.1, height=height, most=2, tight=True, share_x=False, left=room_of(titles, 6.5),
                   right=0.6, bottom=below, of_rows=True, least=1.0)  # fmt: skip
    wide = drawn.axes[0].get_position().width * drawn.figure.get_figwidth()
    for position, (axis, place) in enumerate(zip(drawn.axes, places, strict=True)):
        names = class_names(section, place)
        empty = np.full(len(names), np.nan)
        table = 100 * np.array([accuracies.get((place, method), empty) for method in methods])
        lowest = position + drawn.columns >= len(places)
        labels = names if lowest and len(names) <= NAMED else False
        roomy = not page().printed or float(wide) > _NUMBER * len(names)
        annotated = len(names) <= NAMED and roomy
        size = {"size": points(5.5)}
        sns.heatmap(table, ax=axis, vmin=0, vmax=100, cmap="cividis", cbar=False, annot=annotated, fmt=".0f",
                    annot_kws=size, xticklabels=labels, yticklabels=titles, rasterized=True)  # fmt: skip
        axis.grid(False)
        axis.tick_params(length=0, pad=1, labelsize=points(6.5), labelleft=position % drawn.columns == 0)
        axis.tick_params(axis="x", rotation=90)
        axis.tick_params(axis="y", rotation=0)
        if lowest and not labels:
            axis.set_xlabel(f"{len(names)} classes")
    bar = drawn.figure.add_axes((1 - 0.45 / drawn.figure.get_figwidth(), drawn.axes[0].get_position().y0,
                                 0.09 / drawn.figure.get_figwidth(), drawn.axes[0].get_position().height))  # fmt: skip
    drawn.figure.colorbar(drawn.axes[0].collections[0], cax=bar, ticks=[0, 50, 100])
    bar.tick_params(labelsize=points(6), length=2)
    caption = "Test accuracy (%) of each class at the last epoch, mean over seeds."
    return Drawn(f"{section.name}-classes", "Accuracy of each class", caption, drawn.figure, _data(section, accuracies))


def _data(section: Section, accuracies: dict[tuple[tuple[str, str], str], Matrix]) -> pd.DataFrame:
    parts = []
    for (place, method), values in accuracies.items():
        names = class_names(section, place)
        first = {"dataset": place[0], "setting": place[1], "method": method, "title": section.methods[method]}
        classes = names if len(names) == len(values) else list(map(str, range(len(values))))
        parts.append(pd.DataFrame({**first, "class": classes, "accuracy_percent": (100 * values).round(6)}))
    return pd.concat(parts, ignore_index=True)
