"""Errors of the user, and the one wording of "unknown name" for all that is chosen by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar, overload


class UserError(Exception):
    """Something the user gave is wrong. The text is one line naming file, key and accepted values; exit status 2."""


_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
_CONTROL |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def escaped(text: str) -> str:
    """The text with escapes for what a terminal would act on (control characters, turns of direction) or could not be
    written (lone surrogates); line feeds and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_CONTROL).encode("utf-8", "backslashreplace").decode("utf-8")


LONGEST_WORD, LONGEST_LINE = 200, 480
"""Characters of a word, and of a line, beyond which a message about what the user gave is cut."""


def shortened(line: str) -> str:
    """One line of a message: long words are cut at their end, and a long line in its middle."""
    words = (word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}...({len(word)} characters)"
             for word in line.split(" "))  # fmt: skip
    whole = " ".join(words)
    return whole if len(whole) <= LONGEST_LINE else f"{whole[: LONGEST_LINE - 160]} ... {whole[-155:]}"


Fault = TypeVar("Fault", bound=Exception)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known name is near, else the empty string."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def as_known(name: str, known: Iterable[str]) -> str:
    """The one known name that differs from `name` by case, hyphens, underscores or blanks alone; else `name` itself.

    A plus counts as the word: `ELR+` is `elr_plus`.
    """
    known = list(known)
    near = [other for other in known if _plain(other) == _plain(name)]
    return near[0] if name not in known and len(near) == 1 else name


def _plain(name: str) -> str:
    return name.casefold().replace("+", "plus").translate({ord(letter): None for letter in "-_ "})


@overload
def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> UserError: ...
@overload
def unknown(kind: str, name: str, known: Iterable[str], where: str = "", *, error: type[Fault]) -> Fault: ...
def unknown(
    kind: str, name: str, known: Iterable[str], where: str = "", *, error: type[Exception] = UserError
) -> Exception:
    """The error for a name that is not among `known`, with a suggestion and the accepted names in their order.

    where: what the line begins with, such as a file or an option.
    """
    known = list(known)
    prefix = f"{where}: " if where else ""
    accepted = ", ".join(known) or "none"
    return error(f"{prefix}unknown {kind} {name!r}{did_you_mean(name, known)} (accepted: {accepted})")
