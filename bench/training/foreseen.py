"""The stages of a planned run, asked of its method before anything is written: without data, on a stand-in task."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from bench.training.optim_build import of_stage
from bench.training.phases import bounds_of, place
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
        task = _stand_in(spec, num_classes, samples, image_shape)
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


def _stand_in(spec: Specification, num_classes: int, samples: int, image_shape: tuple[int, int, int]) -> RunTask:
    """A task with the numbers and the networks of the run, and with labels that are nobody's; it has no images."""
    rate = spec.noise.rate if spec.noise_rate is None else spec.noise_rate
    matrix = (1 - rate) * torch.eye(num_classes) + rate / num_classes
    return RunTask(
        labels=torch.arange(samples) % num_classes,
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
