"""Accuracy against confidence on the test set."""

from __future__ import annotations

import pandas as pd

from reports.figure_looks import styles_of
from reports.figure_panels import panels
from reports.figure_style import INK, Drawn, handle
from reports.figure_texts import labels_of
from reports.gather import Section


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
    looks, names = styles_of(tuple(section.methods)), labels_of(section.methods)
    labels = [names[name] for name in used]
    drawn = panels(titles, x="confidence", y="accuracy", width=1.9, height=1.9, entries=labels)
    for axis, place in zip(drawn.axes, places, strict=True):
        axis.plot([0, 1], [0, 1], color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
        for name in used:
            if (place, name) in lines:
                style, line = looks[name], lines[place, name]
                axis.plot(line["confidence"], line["accuracy"], linestyle=style.dash, markersize=3, **style.mark())
    drawn.axes[0].set(xlim=(0, 1.02), ylim=(0, 1.02))
    drawn.legend([handle(names[name], looks[name], marker=True) for name in used])
    caption = (
        "Accuracy against confidence on the test set at the last epoch, in 15 bins, joined over seeds; bins with less "
        "than 1% of the images are left out. Below the dashed diagonal a network is overconfident."
    )
    parts = [
        line.assign(dataset=place[0], setting=place[1], method=name, title=section.methods[name])
        for (place, name), line in lines.items()
    ]  # fmt: skip
    columns = ["dataset", "setting", "method", "title", "confidence", "accuracy"]
    data = pd.concat(parts, ignore_index=True)[columns].round(6)
    return Drawn(f"{section.name}-calibration", "Calibration", caption, drawn.figure, data)


def _joined_bins(tables: list[pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat(tables).reset_index(names="bin")
    weighted = joined[["confidence", "accuracy"]].astype(float).mul(joined["count"], axis=0)
    total = weighted.assign(bin=joined["bin"], count=joined["count"]).groupby("bin").sum()
    kept = total[total["count"] >= 0.01 * total["count"].sum()]
    return kept[["confidence", "accuracy"]].div(kept["count"], axis=0)
