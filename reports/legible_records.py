"""Records and plans whose texts can be shown anywhere: what `reports.texts` does, part by part."""

from __future__ import annotations

from typing import cast

from common import titles
from common.plan import Plan, PlanCell
from common.record import Record
from reports.texts import legible


def legible_record(record: Record) -> Record:
    """The record with its texts as they can be shown anywhere; its specification, which its address proves, as it is.

    Its numbers and lists are shared with the record given.
    """
    return {
        **record,
        "titles": legible(record["titles"]),
        "privileges": legible(record["privileges"]),
        "execution": legible(record["execution"]),
        "data": {**record["data"], "class_names": legible(record["data"]["class_names"])},
    }


def legible_plan(plan: Plan) -> Plan:
    """The plan with its texts as they can be shown anywhere; its cells' specifications as they are."""
    shown: Plan = legible(plan)
    return {**shown, "cells": [_legible_cell(cell) for cell in plan["cells"]]}


def _legible_cell(cell: PlanCell) -> PlanCell:
    texts = {key: legible(text) for key, text in cell.items() if key in ("method", "title", "setting", "deviations")}
    return cast(PlanCell, {**cell, **texts})


def told_apart(plan: Plan) -> Plan:
    """The plan with the row's name behind each title that several rows have: "ELR (elr_b)"."""
    named = titles.told_apart({cell["method"]: cell["title"] for cell in reversed(plan["cells"])})
    cells = [cast(PlanCell, {**cell, "title": named[cell["method"]]}) for cell in plan["cells"]]
    return cast(Plan, {**plan, "cells": cells})
