"""What a shell offers for names, where completion is installed (`noisy-label-bench --install-completion`)."""

from __future__ import annotations

from bench.planning import suite
from methods import registry as methods


def suites(incomplete: str) -> list[str]:
    """The built-in suites that begin so."""
    return [name for name in suite.names() if name.startswith(incomplete)]


def method_names(incomplete: str) -> list[str]:
    """The methods of this checkout that begin so; of a list with commas, its last part."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in methods.registered() if name.startswith(last)]
