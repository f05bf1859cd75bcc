"""How wide a text is set in Computer Modern, so that tables can be cut to a width before TeX sees them."""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path

import matplotlib as mpl
from matplotlib.ft2font import FT2Font

from reports import latex_text

SIZE = 8.0
"""Points of a table's text; lines stand LINE points apart."""
LINE = 9.5
_SMALLER = 1.07  # Computer Modern at 8 points is that much wider than the one for 10 points scaled
_SIGN, _CODE = 0.95, 0.53  # em: a sign of mathematics, a letter of a code point in words
_BOLD = 1.16


@functools.cache
def _font() -> FT2Font:
    font = FT2Font(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "cmr10.ttf"))
    font.set_size(100, 72)
    return font


@functools.cache
def _em(letter: str) -> float:
    if latex_text.LETTER in (escaped := latex_text.escape(letter)):
        return _CODE * (2 + len(f"{ord(letter):04X}"))
    if letter == "\u200b":
        return 0.0
    plain = unicodedata.normalize("NFD", letter)[0]
    if not plain.isascii() or escaped.startswith("$"):
        return _SIGN
    return float(_font().load_char(ord(plain)).linearHoriAdvance) / 65536 / 100


def width(text: str, bold: bool = False) -> float:
    """Points that a text takes up at SIZE; a little more than that, never less."""
    return SIZE * _SMALLER * (_BOLD if bold else 1.0) * sum(map(_em, text)) * 1.01


_PIECE = 20


def breakable(text: str) -> str:
    """The text with places (U+200B) at which a long word may be broken."""
    return re.sub(rf"\S{{{_PIECE},}}", lambda match: _broken(match[0]), text)


def _broken(word: str) -> str:
    pieces = [word[start : start + _PIECE] for start in range(0, len(word), _PIECE)]
    parts = re.split(r"(?<=[-_/.,=+:])", word)
    if max(map(len, parts)) > _PIECE:
        parts = pieces
    return "\u200b".join(part for part in parts if part)


def longest_piece(text: str, bold: bool = False) -> float:
    """The width of the longest part of a breakable text that stays on one line."""
    return max((width(part, bold) for part in re.split(r"[\s\u200b]+", text)), default=0.0)


def wrapped(text: str, most: float) -> list[str]:
    """The lines of a text that is broken at spaces to `most` points, or wider where one word is."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(f"{lines[-1]} {word}") <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]
