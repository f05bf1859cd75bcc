"""Stages and first phases of a planned run, asked of its method before anything is written: on a task without data."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from bench.training.optim_build import of_stage
from bench.training.phases import bounds_of, check_begins, check_phase, phases_of, place
from bench.training.run_networks import NetworkSettings
from bench.training.seeds import Streams
from bench.training.task import RunTask
from common.specification import Specification
from methods import registry as methods
from methods.base import Method
from methods.hyper import MethodError


def check_stages(spec: Specification, num_classes: int, samples: int, image_shape: tuple[int, int, int]) -> None:
    """Raise MethodError, naming file and line, where the stages of a run's method do not fill it or cannot be trained.

    num_classes, samples, image_shape (C, H, W): of the training set. Where only the data can tell, as where stages
    follow from labels, nothing is raised: the run itself looks again.
    """
    kind = methods.load(spec.method.name)
    with _generators_as_before():
        task = _stand_in(spec, num_classes, torch.arange(samples) % num_classes, image_shape)
        try:
            _check(_unbuilt(kind, spec, task), spec)
            return
        except Exception:  # of a method that makes up its mind in `build`, perhaps
            pass
        try:
            method = kind(task, **spec.method.hyper)
        except Exception:
            return
        try:
            _check(method, spec)
        except MethodError:
            raise
        except Exception:
            return


def check_phases(spec: Specification, num_classes: int, samples: int, image_shape: tuple[int, int, int]) -> None:
    """Raise MethodError, naming file and line, where the phases of a run's first epoch cannot be walked over.

    The method is asked twice, with classes that are alike in size and with others: what is wrong both times does not
    come of labels. Where it looks at images, or fails, nothing is raised: the run itself looks again. What it prints is
    dropped.
    """
    even = torch.arange(samples) % num_classes
    uneven = (num_classes * ((torch.arange(samples) + 0.5) / samples) ** 2).long()
    with _generators_as_before(), redirect_stdout(io.StringIO()):
        tasks = [_stand_in(spec, num_classes, labels, image_shape) for labels in (even, uneven)]
        faults = [_of_phases(spec, task) for task in tasks]
    if faults[0] is not None and faults[1] is not None:
        raise faults[0]


def _of_phases(spec: Specification, task: RunTask) -> MethodError | None:
    """What is wrong with the phases of the first epoch, as far as it can be told."""
    try:
        method = methods.load(spec.method.name)(task, **spec.method.hyper)
        task.seed_epoch(1)
        method.stage_start(0)
        given = method.epoch_start(1)
    except Exception:
        return None
    try:
        phases = phases_of(method, given)
        check_begins(method, phases)
        for phase in phases:
            check_phase(method, phase, task.num_samples)
    except MethodError as fault:
        return fault
    return None


def _check(method: Method, spec: Specification) -> None:
    for number, (stage, _, _) in enumerate(bounds_of(method, spec.epochs), 1):
        where = f"{place(method, 'stages')}: stage {number}"
        of_stage(spec.optimizer, spec.schedule, stage.optimizer, where)


def _unbuilt(kind: type[Method], spec: Specification, task: RunTask) -> Method:
    """The method with its task and hyper-parameters, and without what `build` makes."""
    made = kind.__new__(kind)
    nn.Module.__init__(made)
    made.task = cast(Any, task)
    values = methods.resolve(spec.method.name, spec.method.hyper)
    for key, value in methods.with_epochs(kind.hyper, values, spec.epochs).items():
        setattr(made, key, value)
    return made


def _stand_in(spec: Specification, num_classes: int, labels: Tensor, image_shape: tuple[int, int, int]) -> RunTask:
    """A task with the numbers and the networks of the run, and with labels that are nobody's; it has no images."""
    rate = spec.noise.rate if spec.noise_rate is None else spec.noise_rate
    matrix = (1 - rate) * torch.eye(num_classes) + rate / num_classes
    return RunTask(
        labels=labels,
        num_classes=num_classes,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        settings=NetworkSettings(spec.network, False, image_shape, "fp32"),
        loader=cast(Any, None),
        streams=Streams(spec),
        facts={"noise_rate": rate, "noise_kind": spec.noise.model, "matrix": matrix},
        needs=methods.info(spec.method.name).needs,
        device=torch.device("cpu"),
    )


@contextmanager
def _generators_as_before() -> Iterator[None]:
    """Leave the global generators of Python, NumPy and torch as they were: planning draws nothing."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
