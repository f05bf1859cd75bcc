"""What a page of a report may do: execute its own script, and ask nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup


def policy(script: str, styles: Iterable[str]) -> str:
    """The page's Content-Security-Policy: it executes this script alone, and asks the network for nothing.

    Style elements are named by their hash, too. Style attributes are allowed, as figures are made of them; they can
    fetch nothing, since images may only stand in the page itself.
    """
    hashes = " ".join(sorted({_hash(style) for style in styles}))
    return "; ".join([
        "default-src 'none'", f"script-src {_hash(script)}", f"style-src-elem {hashes}",
        "style-src-attr 'unsafe-inline'", "img-src data:", "base-uri 'none'", "form-action 'none'",
    ])  # fmt: skip


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def script_data(value: Any) -> Markup:
    """A value as JSON that may stand inside a script element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
