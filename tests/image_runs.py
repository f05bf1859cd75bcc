"""Suites of image files on their miniatures, in this process, cut down to what a test can bear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from bench.api.image_files import make_ready
from bench.api.planned import Planned, plan_suite
from bench.training.environment import Environment
from bench.training.execute import execute
from datasets.base import ImageFiles, ImageSet
from results.store import Store

# a small network on small images, from random weights, with few batches
SMALL = (
    "training.network=small_cnn",
    "training.pretrained=false",
    "training.augmentation.resize=36",
    "training.augmentation.crop=32",
    'training.precision="fp32"',
)


def planned(
    suite: str,
    root: Path,
    methods: str = "cross_entropy",
    *assignments: str,
    epochs: int = 1,
    skip_broken: bool = False,
) -> Planned:
    """The suite's runs of these methods, one seed."""
    overrides = {"epochs": epochs}
    return plan_suite(suite, [*SMALL, *assignments], methods, 1, overrides, "cpu", root, skip_broken)


def executed(
    suite: str, root: Path, out: Path, *arguments: str, workers: int = 0, every_epoch: bool = False, **options: Any
) -> list[dict[str, Any]]:
    """The records of `planned` runs, executed one after the other."""
    plan = planned(suite, root, *arguments, **options)
    environment = Environment(
        out,
        root,
        workers=workers,
        skip_broken=options.get("skip_broken", False),
        checkpoint_seconds=0.0 if every_epoch else 30.0,
    )
    make_ready(Console(quiet=True), plan.parts, plan.cells, environment)
    for cell in plan.cells:
        execute(cell.spec, environment)
    return [Store(out).load(cell.address) for cell in plan.cells]


def paths(images: ImageSet) -> list[Path]:
    """The files of a set of images, in its order."""
    assert isinstance(images, ImageFiles)
    return [images.path(row) for row in range(len(images.labels))]
