"""What must be seen beside a row's name: what it was told or helped by, how it deviates, which runs are unsound."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from reports.deviations import DEVIATES, deviations_of
from reports.gather import CLEAN_LABELS, Section
from reports.health import diverged_runs
from reports.model import COLLAPSED, DIVERGED

HELPS = ("ensemble", "mixup", "strong augmentation", "pretraining")
"""Privileges that tell a method nothing: what else buys accuracy (a method's `marks`)."""


@dataclass(frozen=True)
class Badge:
    """text: of a word or two. hint: the whole. kind: "told", "helped", "clean", "deviates" or "unsound"."""

    text: str
    hint: str
    kind: str


def badges_of(section: Section, row: str, datasets: Collection[str]) -> tuple[Badge, ...]:
    """The badges of a row on these data sets."""
    frame = section.frame[(section.frame["row"] == row) & section.frame["dataset"].isin(list(datasets))]
    privileges = dict.fromkeys(str(name).replace("_", " ") for names in frame["privileges"] for name in names)
    badges = [_privilege(name) for name in privileges]
    if row in section.clean_rows and CLEAN_LABELS not in privileges:
        badges.append(_privilege(CLEAN_LABELS))
    told = dict.fromkeys(
        text for dataset, setting, method in section.first_cells
        if method == row and dataset in datasets for text in deviations_of(section, dataset, setting, method)
    )  # fmt: skip
    if told:
        badges.append(Badge("deviates", f"{DEVIATES}: {'; '.join(told)}", "deviates"))
    collapsed = int(frame["collapsed_epoch"].notna().sum())
    if collapsed:
        badges.append(Badge(f"{COLLAPSED} {collapsed} collapsed", f"{collapsed} of {len(frame)} runs", "unsound"))
    diverged = sum(cell["method"] == row and cell["dataset"] in datasets for cell, _ in diverged_runs(section))
    if diverged:
        badges.append(Badge(f"{DIVERGED} {diverged} diverged", "runs that are in no mean", "unsound"))
    return tuple(badges)


def _privilege(name: str) -> Badge:
    if name == CLEAN_LABELS:
        return Badge(name, "trained with correct labels: no competitor", "clean")
    if name in HELPS:
        return Badge(name, "what else buys accuracy", "helped")
    return Badge(name, "told more than the given labels", "told")
