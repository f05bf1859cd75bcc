"""Texts in CSV files for people, who open them in a spreadsheet."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"[-+\u2212]?[0-9.]+(e[-+]?[0-9]+)?")


def formula_free(value: Any) -> Any:
    """A cell's value; a text that a spreadsheet would compute (`=1+1.png`) gets an apostrophe before it."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
