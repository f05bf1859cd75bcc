"""Texts of records and plans as they can be shown anywhere: in a terminal, on a page, in a figure's XML."""

from __future__ import annotations

import unicodedata
from typing import Any

_UNSHOWN = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
"""Categories of characters that are no text: control characters, surrogates, unassigned, private, line separators."""
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Characters that change the order in which others are shown: what is read would not be what is there."""


def legible(value: Any) -> Any:
    """A JSON value in whose texts, keys included, a space stands for white space and an escape for what is no text."""
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else "".join(map(_letter, value))
    if isinstance(value, dict):
        return {legible(key): legible(part) for key, part in value.items()}
    if isinstance(value, list):
        return [legible(part) for part in value]
    return value


def _letter(letter: str) -> str:
    if letter in "\n\t\r":
        return " "
    if letter in _TURNING or unicodedata.category(letter) in _UNSHOWN:
        return ascii(letter)[1:-1]
    return letter
