"""What a script or a command asks for: which runs (`PlanOptions`), and how they are executed (`RunOptions`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench.machine import accelerator
from bench.planning.choice import Seeds
from bench.planning.suite import Assignments
from bench.sweep import log, stall
from datasets import registry as datasets

Location: TypeAlias = Path | str


@dataclass(frozen=True)
class PlanOptions:
    """Which runs of a suite, on what; see `bench.api.functions.plan`, whose arguments these are.

    at, datasets: the settings, by title, and the data sets; empty: all of the suite's.
    """

    methods: Collection[str] | str | None = None
    seeds: Seeds | None = None
    epochs: int | None = None
    precision: str | None = None
    settings: Assignments = ()
    device: str = "auto"
    data: Location | None = None
    plugins: Collection[Location] = ()
    skip_broken: bool = False
    at: Collection[str] = ()
    datasets: Collection[str] = ()

    def where(self) -> str:
        """The device, such as "cpu" or "cuda:0". Raises UserError."""
        return accelerator.choose(self.device)

    def root(self) -> Path:
        """The folder of data sets."""
        return datasets.default_root() if self.data is None else Path(self.data)

    def overrides(self) -> dict[str, Any]:
        """What wins over keys of the suite file that have options of their own; None: nothing does."""
        return {"epochs": self.epochs, "precision": self.precision}


@dataclass(frozen=True)
class RunOptions:
    """How runs are executed; see `bench.api.functions.run`, whose arguments these are."""

    jobs: int | None = None
    runs_per_device: str = "auto"
    mps: str = "auto"
    capture: str = "auto"
    cluster: str | None = None
    log_every: float = log.DEFAULT_SECONDS
    stall_minutes: float = stall.DEFAULT_MINUTES
    retry_failed: bool = False
    workers: int | None = None
    weights: Location | None = None
    checkpoint_seconds: float = 30.0
    redo: bool = False
    no_wait: bool = False
    cluster_wait: float | None = None
    track: Collection[str] = ()
