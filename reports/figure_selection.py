"""The purity of what methods select, by epoch."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from common.record import Record
from reports.curve_means import Curves, means
from reports.figure_curves import GROUPS, INTERVAL, LineKey, line_data, lines_by_setting, of_kept_settings
from reports.figure_style import INK, Drawn
from reports.gather import Section


def selection(section: Section, curves: Curves) -> Drawn | None:
    """Purity (share of clean labels among the selected samples) and the share of all clean samples selected."""
    lines: dict[LineKey, pd.DataFrame] = {}
    for place in section.places:
        for method in section.methods:
            parts = [_purity(section, curves, run) for run in section.done(*place, method)["address"]]
            for name in ("purity", "clean kept"):
                known = [
                    part[["epoch", name]].set_axis(["epoch", "value"], axis=1) for part in parts if part is not None
                ]
                if known and not (joined := pd.concat(known).dropna()).empty:
                    lines[name, place, method] = means(joined)
    rows = [(name, name) for name in ("purity", "clean kept")]
    lines = of_kept_settings(lines, rows)
    drawn = lines_by_setting(section, lines, "share of samples (%)", rows)
    if drawn is None:
        return None
    shares = {place: _clean_share(section, place) for place in section.places}
    titled = {f"{section.place_title(*place)}: purity": share for place, share in shares.items()}
    for axis in drawn.axes:
        if (title := str(axis.title.get_label())) in titled:
            axis.axhline(titled[title], color=INK, linewidth=0.7, linestyle=(0, (6, 3)))
    caption = (
        "Samples selected in the training passes. Purity: share of clean labels among the selected; clean kept: share "
        f"of all clean samples that are selected; dashed: share of clean labels in the training set"
        f"{without_clean_rows(section)}. {INTERVAL}"
    )
    data = line_data(section, lines)
    places = zip(data["dataset"], data["setting"], strict=True)
    data["training_clean_percent"] = [round(100 * shares[place], 6) for place in places]
    return Drawn(f"{section.name}-selection", "Purity of the selected samples", caption, drawn.figure, data)


def _train_rate(record: Record) -> float:
    """Share of wrong labels among the images trained on; NaN where the true labels are not known."""
    rate = record["noise"].get("train_rate")
    return float("nan") if rate is None else float(rate)


def without_clean_rows(section: Section) -> str:
    """Words on the rows that a mean over rows leaves out, as they had no wrong label; none where there are none."""
    names = ", ".join(section.methods[row] for row in section.methods if row in section.clean_rows)
    return f" (of all rows but those trained with clean labels: {names})" if names else ""


def _clean_share(section: Section, place: tuple[str, str]) -> float:
    runs = section.done(*place)
    runs = runs[~runs["row"].isin(section.clean_rows)]
    rates = [_train_rate(section.material.records[address]) for address in runs["address"]]
    return 1 - float(np.mean(rates)) if rates else math.nan


def _purity(section: Section, curves: Curves, address: str) -> pd.DataFrame | None:
    both = [curves.of_run(address, f"observed.selected.{group}") for group in GROUPS]
    if both[0] is None or both[1] is None:
        return None
    clean, wrong = (part.set_index("epoch")["value"] for part in both if part is not None)
    rate = _train_rate(section.material.records[address])
    kept = clean * (1 - rate)
    total = kept + wrong * rate
    table = pd.DataFrame({"purity": kept / total.where(total > 0), "clean kept": clean})
    return table.rename_axis("epoch").reset_index()
