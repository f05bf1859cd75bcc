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
    """Import the methods of plug-ins and ask each for its stages, where a plan has runs left; whether it has.

    A plug-in's method is asked for the phases of its first epoch too, where the size of the data set is known.
    redo: what a plug-in that was edited since has made is run again. Raises MethodError with file and line.
    """
    cells = planned.cells
    if all(store.has(cell.address) for cell in cells) and not (redo and changed.outdated(store, cells)):
        return False
    plugins.prove(cell.spec.method.name for cell in cells)
    asked = set[str]()
    for spec in () if planned.tuning else (cell.spec for cell in cells):  # a trial that cannot be is one that failed
        key = repr((spec.method, spec.network, spec.dataset.name, spec.epochs, spec.optimizer, spec.schedule))
        if key not in asked:
            asked.add(key)
            _ask(spec)
    return True


def _ask(spec: Specification) -> None:
    info = methods.info(spec.method.name)
    own_phases = info.own_phases and methods.METHODS.origin(info.name) is not None
    if not (info.own_stages or own_phases):
        return
    from bench.training.foreseen import check_phases, check_stages  # torch, for those alone that are asked

    classes, samples = datasets.info(spec.dataset.name).num_classes, epoch_images(replace(spec, sampling=None)).trained
    height, width, channels = image_shape(spec)
    if info.own_stages:
        check_stages(spec, classes or UNKNOWN[0], samples or UNKNOWN[1], (channels, height, width))
    if own_phases and classes and samples:
        check_phases(spec, classes, samples, (channels, height, width))
