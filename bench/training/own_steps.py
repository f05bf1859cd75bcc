"""Steps that a method takes itself, as for alternating and bilevel updates: the same measurements as of a usual one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.training.optim import Group, Optimizers
from common.errors import unknown
from methods.base import Method
from methods.hyper import MethodError

OBSTACLE = "the method takes its steps itself"


def takes_own_steps(method: Method) -> bool:
    """Whether a method has a `step` of its own, so that the harness takes none for it."""
    return type(method).step is not Method.step


def check_no_sam(method: Method, sam: float) -> None:
    """Raise MethodError where such a method shall be trained by sharpness-aware minimisation."""
    if sam and takes_own_steps(method):
        raise MethodError(f"method {method.name!r}: key 'optimizer.sam' = {sam}: {OBSTACLE}, so none is taken twice")


class OwnSteps:
    """The harness's `methods.updates.Optimizers`, for one step.

    gradient: the length of all gradients that were stepped along so far, a scalar beside the parameters; None: none.
    """

    def __init__(self, optimizers: Optimizers) -> None:
        self._optimizers = optimizers
        self.gradient: Tensor | None = None

    def _chosen(self, names: Sequence[str]) -> list[Group]:
        """The groups of these names, all where none is given. Raises MethodError."""
        groups = self._optimizers.groups
        known = {group.name for group in groups if group.name}
        for name in names:
            if name not in known:
                raise unknown("parameter group", name, sorted(known), "Method.step", error=MethodError)
        return [group for group in groups if not names or group.name in names]

    def descend(self, loss: Tensor, *groups: str) -> bool:
        """One update of these groups; False where the loss has no gradient, and then nothing is moved."""
        self.zero_grad()
        if not self.backward(loss, *groups):
            return False
        self.step(*groups)
        return True

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        self._optimizers.zero_grad()

    def backward(self, loss: Tensor, *groups: str, retain_graph: bool = False) -> bool:
        """Add the gradient of a scalar to these groups alone; False where it has none."""
        chosen = self._chosen(groups)
        if not loss.requires_grad:
            return False
        parameters = [parameter for group in chosen for parameter in group.parameters if parameter.requires_grad]
        torch.autograd.backward(loss, inputs=parameters, retain_graph=retain_graph)
        return True

    def step(self, *groups: str) -> None:
        """Clip the gradients of these groups and step along them."""
        chosen = self._chosen(groups)
        length = self._optimizers.gradient_norm(chosen)
        if length is None:
            return
        self.gradient = length if self.gradient is None else torch.hypot(self.gradient, length)
        self._optimizers.step_alone(chosen)

    def rate(self, group: str = "") -> float:
        """The learning rate of this step, of a group, or of the first."""
        return float(self._chosen([group] if group else [])[0].group["lr"])
