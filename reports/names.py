"""Names of what a report writes, made of names in records and plans: never a path, never markup."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 100


def fit(name: str, instead: str = "other") -> str:
    """A name of letters, digits, "_", "." and "-" alone, fit for files, anchors and identifiers.

    One that had to be changed ends in a hash: "a b" and "a-b" must not share their files. instead: where nothing stays.
    """
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:_LONGEST]
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return kept if kept and kept == name else f"{kept or instead}-{digest[:6]}"
