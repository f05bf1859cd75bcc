"""Whether the packages of the house are its own: others use names like `datasets` too. Imports nothing of the house."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("common", "datasets", "methods", "results", "reports")


def foreign_package() -> str:
    """One clear line where a package of the house comes from somewhere else; empty where all is well."""
    home = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        module_spec = find_spec(name)  # imports nothing: what another package of that name does is not our concern
        place = "nowhere" if module_spec is None else Path(str(module_spec.origin)).resolve().parent
        if place != home / name:
            return (
                f"the package {name!r} comes from {place}, not from {home}: another installed package has the same "
                "name; run in this project's own environment"
            )
    return ""
