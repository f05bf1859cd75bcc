"""One place of a paper table: a published number, our cell for it, and what stands against comparing the two."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from reports.deviations import DEVIATES, deviations_of
from reports.health import hole_text, mark_of
from reports.model import BETWEEN, HOLE, TableCell, mean_text, percent
from reports.paper_partners import Ours, figures_of, rule_of
from results import published
from results.inference import TIE

NEAR = 0.01
"""Differences up to one point are coloured as near."""
ERRORS = 2.0
"""Combined standard errors within which a larger difference is coloured as uncertain."""


@dataclass(frozen=True)
class Prices:
    """What has not been run would cost. hours: device-hours of what stands beside a published row; None: no suite of
    ours has it. basis: what they rest on, in a few words."""

    hours: Callable[[Mapping[Any, Any]], float | None] = lambda row: None
    basis: str = ""


@dataclass
class Marks:
    """Letters for the ways in which protocols differ, each told once under the table."""

    letters: dict[str, str] = field(default_factory=dict)

    def of(self, differences: Sequence[str]) -> str:
        text = "; ".join(differences).replace("_", " ")
        return self.letters.setdefault(text, _letter(len(self.letters)))

    def notes(self) -> list[str]:
        return [f"({letter}) not comparable: {text}." for text, letter in self.letters.items()]


def _letter(number: int) -> str:
    return chr(ord("a") + number % 26) + str(number // 26 if number >= 26 else "")


@dataclass(frozen=True)
class Pair:
    """A published number and our cell for it, with what stands against comparing the two.

    differences: of protocol. declared: in what our row says that it is not the published procedure.
    """

    row: Mapping[Any, Any]
    partner: Ours | None
    rule: str = ""
    differences: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()

    @property
    def differs(self) -> tuple[str, ...]:
        return (*self.differences, *self.declared)

    @property
    def figures(self) -> pd.Series | None:
        return None if self.partner is None else figures_of(self.row, self.partner, self.rule)


def pair_of(row: Mapping[Any, Any], partner: Ours | None, select: str | None) -> Pair:
    if partner is None:
        return Pair(row, None)
    rule = rule_of(row, partner, select)
    differences = map(str, published.matches(row, partner.protocol, rule))
    said = deviations_of(partner.section, partner.dataset, partner.setting, partner.method)
    return Pair(row, partner, rule, tuple(differences), tuple(f"{DEVIATES}: {text}" for text in said))


def paper_cell(pair: Pair, hours: float | None, marks: Marks) -> TableCell:
    row, partner, figures = pair.row, pair.partner, pair.figures
    theirs = _published_text(row)
    if partner is None or figures is None or figures["n"] == 0:
        hole = _hole(figures, theirs, hours, marks.of(pair.declared) if pair.declared else "")
        return replace(hole, fractions=(float(row["mean"]), float(row["std"])))
    mine = mean_text(figures["mean"], figures["std"], int(figures["n"]), int(figures["planned"])) + mark_of(figures)
    gap = figures["mean"] - row["mean"]
    mark = f" ({marks.of(pair.differs)})" if pair.differs and not pd.isna(gap) else ""
    error = published.combined_uncertainty(figures["std"], int(figures["n"]), row["std"], row["n"])
    tone = "" if pd.isna(gap) else "grey" if pair.differs else _tone(gap, error)
    hint = "; ".join(pair.differs) or f"combined standard error {percent(error)} points"
    runs = tuple(partner.section.done(partner.dataset, partner.setting, partner.method)["address"])
    parts = (mine, theirs) if pd.isna(gap) else (mine, theirs, percent(gap, sign=True) + mark)
    fractions = tuple(map(float, (figures["mean"], figures["std"], row["mean"], row["std"], gap)))
    return TableCell(BETWEEN.join(parts), fractions[0], False, tone, hint, True, runs, fractions)


def _hole(figures: pd.Series | None, theirs: str, hours: float | None, mark: str) -> TableCell:
    """A number beside which none of ours stands: why, and what it would cost; grey where it could not be compared."""
    reason = "not planned" if figures is None else str(figures["reason"])
    started = figures is not None and bool(figures["diverged"] or figures["failed"] or figures["running"])
    text = f"{HOLE} ({reason})" if figures is None else hole_text(figures)
    if hours is not None and not started:
        text = f"{HOLE} (not run, about {_hours_text(hours)})"
    theirs = f"{theirs} ({mark})" if mark else theirs
    return TableCell(BETWEEN.join((text, theirs)), hint=reason, tone="grey" if mark else "", stacked=True)


def _hours_text(hours: float) -> str:
    return f"{hours:.2g} device-hours" if hours < 10 else f"{hours:.0f} device-hours"


def _tone(gap: float, error: float) -> str:
    if abs(gap) <= NEAR + TIE:
        return "near"
    return "uncertain" if abs(gap) <= ERRORS * error else "apart"


def _published_text(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["mean"]):
        return "not found"
    spread = "" if pd.isna(row["std"]) else f" ± {percent(row['std'])}"
    count = "" if pd.isna(row["n"]) else f" ({int(row['n'])})"
    return f"{percent(row['mean'])}{spread}{count}"


DATA = ("dataset", "test_set", "metric", "noise_model", "noise_rate", "method", "ours_mean_percent",
         "ours_std_percent", "ours_n", "published_mean_percent", "published_std_percent", "published_n",
         "difference_points", "comparable", "differs", "rule", "source")  # fmt: skip


def data_row(pair: Pair) -> tuple[object, ...]:
    row, figures = pair.row, pair.figures
    mean, std, n = (math.nan, math.nan, 0) if figures is None else (figures["mean"], figures["std"], int(figures["n"]))
    theirs = (100 * row["mean"], 100 * row["std"], None if pd.isna(row["n"]) else int(row["n"]))
    numbers = [round(value, 6) if isinstance(value, float) else value for value in
               (100 * mean, 100 * std, n, *theirs, 100 * (mean - row["mean"]))]  # fmt: skip
    place = [row[name] for name in ("dataset", "test_set", "metric", "noise_model", "noise_rate", "method")]
    return (*place, *numbers, n > 0 and not pair.differs, "; ".join(pair.differs), pair.rule, row["source"])
