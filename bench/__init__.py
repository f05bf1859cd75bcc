"""The harness. `from bench import plan, run, tune, report, records`: see `bench.api.functions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api.functions import plan, records, report, run, tune

__all__ = ["plan", "records", "report", "run", "tune"]


def __getattr__(name: str) -> Any:
    """The functions, imported when they are first asked for: a worker, or `list`, needs none of them."""
    if name in __all__:
        from bench.api import functions

        return getattr(functions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
