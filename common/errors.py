"""Errors of the user, and the one wording of "unknown name" for all that is chosen by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar, overload


class UserError(Exception):
    """Something the user gave is wrong. The text is one line naming file, key and accepted values; exit status 2."""


Fault = TypeVar("Fault", bound=Exception)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known name is near, else the empty string."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


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
