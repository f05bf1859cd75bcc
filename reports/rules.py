"""Which selection rules stand side by side in a report."""

from __future__ import annotations

import pandas as pd

from reports.gather import Section
from results.selection_rules import RULES, SelectionRule


def shown_rules(section: Section) -> tuple[SelectionRule, ...]:
    """Those always shown, those of which some run has a value where that is asked of them, and those asked for."""
    known = set(section.cells.loc[section.cells["n"] > 0, "rule"])
    asked = {section.select, *(section.rule_of(*place) for place in section.first_cells)}
    return tuple(
        rule for rule in RULES
        if rule.shown == "always" or rule.name in asked or (rule.shown == "known" and rule.name in known)
    )  # fmt: skip


def shown_cells(section: Section) -> pd.DataFrame:
    """The section's cells by these rules."""
    return section.cells[section.cells["rule"].isin([rule.name for rule in shown_rules(section)])]
