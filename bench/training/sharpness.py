"""SAM: the gradient of a step is taken where the loss is highest nearby (Foret et al.; ICLR 2021)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench.training.optim import Optimizers
from bench.training.task import RunTask
from methods.base import Batch, Method

TINY = 1e-12  # added to the norm of the gradient, as in the usual code


class Moment:
    """What a loss may change of a method and its task, as it is now: buffers, and where the generators stand."""

    def __init__(self, method: Method, task: RunTask) -> None:
        self.task = task
        self.buffers = [
            (module, name, buffer, buffer.clone())
            for module in method.modules()
            for name, buffer in module.named_buffers(recurse=False)
        ]
        self.generators = task.generator_states()

    def restore(self) -> None:
        """Go back to it."""
        with torch.no_grad():
            for module, name, buffer, value in self.buffers:
                setattr(module, name, buffer.copy_(value))  # also where the loss has put another tensor there
        self.task.restore_generators(self.generators)


def _unheard(*given: Any, **named: Any) -> None:
    """In the place of `observe` and `terms`: the second pass is no news of the samples."""


def look_around(method: Method, batch: Batch, optimizers: Optimizers, before: Moment) -> None:
    """Replace the gradients of a step by those at w + sam g / |g|, g being the gradient of all parameters together.

    The second pass has the draws of the first and starts from the same buffers; what the method has after it is what
    the first pass left: parameters, buffers and generators. before: from before the first pass. Where the second loss
    has no gradient, that of the first stands.
    """
    length = optimizers.gradient_norm()
    if length is None:
        return
    after = Moment(method, before.task)
    moved: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for parameter in optimizers.parameters():
            if parameter.grad is not None:
                moved.append((parameter, parameter.clone()))
                parameter.add_(parameter.grad * (optimizers.sam / (length + TINY)))
    first = [parameter.grad for parameter, _ in moved]
    before.restore()
    optimizers.zero_grad()
    loss = method.loss(replace(batch, observe=_unheard, terms=_unheard))
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for (parameter, value), gradient in zip(moved, first, strict=True):
            parameter.copy_(value)
            if not loss.requires_grad:
                parameter.grad = gradient
    after.restore()
