"""The plan of a started suite: the JSON object of a file in the store, as a type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class PlanCell(TypedDict):
    """One run of a suite's tables. method: the row's name; title: what tables call it; setting: the noise's title.

    spec: see `common.specification`. noise: of the setting; a row may have made its own in its paper's way.
    selection: the row's own rule. deviations: in what the row is not its paper's procedure. Both only where there is
    one.
    """

    address: str
    dataset: str
    method: str
    title: str
    setting: str
    seed: int
    spec: Mapping[str, Any]
    noise: NotRequired[Mapping[str, Any]]
    network: NotRequired[str]
    selection: NotRequired[str]
    deviations: NotRequired[list[str]]


class Plan(TypedDict):
    """selection: the suite's rule; trials: how many settings a row was tuned over; tuning: its cells are trials.
    origin: of a merged plan, where it came from."""

    format: int
    suite: str
    title: str
    purpose: str
    description: str
    cells: list[PlanCell]
    remark: NotRequired[str]
    selection: NotRequired[str]
    paper: NotRequired[str | None]
    tuning: NotRequired[bool]
    trials: NotRequired[dict[str, int]]
    origin: NotRequired[str]
