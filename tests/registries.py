"""Every registry of the suite, put back after a test to what it held before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import networks, plugins
from bench.recipe.optimizers import OPTIMIZERS
from bench.recipe.schedules import SCHEDULES
from common.registry import Registry
from datasets.data_sets import DATASETS
from datasets.noise_models import NOISE_MODELS
from datasets.views import VIEW_POLICIES
from methods.registry import METHODS
from results.selection_rules import RULES

REGISTRIES: tuple[Registry[Any], ...] = (
    METHODS, DATASETS, NOISE_MODELS, VIEW_POLICIES, OPTIMIZERS, SCHEDULES, networks.NETWORKS, RULES,
)  # fmt: skip


@contextmanager
def as_before() -> Iterator[None]:
    """What is registered inside is forgotten afterwards."""
    tables: list[dict[Any, Any]] = [
        table for registry in REGISTRIES for table in (registry._entries, registry._origins)
    ]
    kept, files = [dict(table) for table in tables], list(plugins._files)
    plugins._files.clear()
    try:
        yield
    finally:
        for table, entries in zip(tables, kept, strict=True):
            table.clear()
            table.update(entries)
        plugins._files[:] = files
