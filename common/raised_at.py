"""Where a traceback enters a file of the user's own, or a method's: what its author looks at first."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

_HOME = Path(__file__).parents[1]
_OTHERS = [Path(sysconfig.get_path("stdlib")), *(_HOME / name for name in ("bench", "common", "datasets", "results"))]
"""Folders of Python and of the suite: a fault that shows there is seldom made there."""
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_FRAME = re.compile(r'^\s*File "(.+)", line (\d+), in ', re.MULTILINE)


def raised_at(traceback: str) -> str:
    """ "FILE, line N" of the traceback's innermost frame in a method's file or in a plug-in's; empty where none is.

    Plug-ins that are installed among other packages are not told apart from these.
    """
    for file, line in reversed(_FRAME.findall(traceback)):
        path = Path(file)
        if path.is_absolute() and not _INSTALLED & set(path.parts) and not any(map(path.is_relative_to, _OTHERS)):
            return f"{file}, line {line}"
    return ""
