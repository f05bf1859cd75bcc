"""The harness. `from bench import plan, run, tune, report, records`: see `bench.api.functions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api.functions import plan, records, report, run, tune

__all__ = ["plan", "records", "report", "run", "tune"]


def __getattr__(name: str) -> Any:
    """The functions, imported when they are first asked for: a worker, or `list`, needs none of them.

    Raises ImportError with one line where another package has a name of ours.
    """
    if name in __all__:
        from bench.neighbours import foreign_package

        if foreign := foreign_package():
            raise ImportError(foreign)
        from bench.api import functions

        return getattr(functions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
