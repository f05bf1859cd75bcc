"""What a shell offers for names, where completion is installed (`noisy-label-bench --install-completion`).

Every command names these functions, few shells call one: what they need is imported when they are called.
"""

from __future__ import annotations


def suites(incomplete: str) -> list[str]:
    """The built-in suites that begin so."""
    from bench.planning import suite

    return [name for name in suite.names() if name.startswith(incomplete)]


def method_names(incomplete: str) -> list[str]:
    """The methods of this checkout that begin so; of a list with commas, its last part."""
    from methods import registry as methods

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in methods.registered() if name.startswith(last)]
