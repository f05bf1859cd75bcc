"""Processes of their own for measurements."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench import plugins
from bench.machine.processes import Driver, end_with

if TYPE_CHECKING:
    from joblib.externals.loky import ProcessPoolExecutor


def fresh_processes(count: int) -> ProcessPoolExecutor:
    """A pool of `count` fresh processes that know the added plug-ins and end with this one."""
    from joblib.externals.loky import ProcessPoolExecutor  # here, as most commands need none

    return ProcessPoolExecutor(count, initializer=_prepare, initargs=(Driver.this(), plugins.added_files()))


def _prepare(driver: Driver, files: Iterable[Path]) -> None:
    end_with(driver)
    plugins.register(files)
