"""The harness's own user error, and the wording of "unknown name" shared by all its registries."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user gave is wrong. The text is one line naming file, key and accepted values; exit status 2."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known name is near, else the empty string."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> UserError:
    """The error for a name that is not among `known`, with a suggestion and the accepted values."""
    known = sorted(known)
    prefix = f"{where}: " if where else ""
    return UserError(f"{prefix}unknown {kind} {name!r}{did_you_mean(name, known)} (accepted: {', '.join(known)})")
