"""What must hold of the methods of a plan before anything is written."""

from __future__ import annotations

from dataclasses import replace

from bench import plugins
from bench.api.planned import Planned
from bench.planning.workload import epoch_images, image_shape
from bench.sweep import changed
from common.specification import Specification
from datasets import registry as datasets
from methods import registry as methods
from results.store import Store

UNKNOWN = (10, 100)
"""Classes and samples that stand for those of own images, which are counted when they are read."""


def prove(planned: Planned, store: Store, redo: bool) -> bool:
    """Import the methods of plug-ins and ask each method for its stages, where a plan has runs left; whether it has.

    redo: what a plug-in that was edited since has made is run again. Raises MethodError with file and line.
    """
    cells = planned.cells
    if all(store.has(cell.address) for cell in cells) and not (redo and changed.outdated(store, cells)):
        return False
    plugins.prove(cell.spec.method.name for cell in cells)
    asked = set[str]()
    for spec in () if planned.tuning else (cell.spec for cell in cells):  # a trial that cannot be is one that failed
        key = repr((spec.method, spec.network, spec.dataset.name, spec.epochs, spec.optimizer, spec.schedule))
        if methods.info(spec.method.name).own_stages and key not in asked:
            asked.add(key)
            _ask(spec)
    return True


def _ask(spec: Specification) -> None:
    from bench.training.foreseen import check_stages  # torch, for those alone that have stages

    classes = datasets.info(spec.dataset.name).num_classes or UNKNOWN[0]
    samples = epoch_images(replace(spec, sampling=None)).trained or UNKNOWN[1]
    height, width, channels = image_shape(spec)
    check_stages(spec, classes, samples, (channels, height, width))
