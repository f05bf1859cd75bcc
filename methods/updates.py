"""What a method that takes its steps itself is handed for it: the optimisers of the run, with the harness's care."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Optimizers(Protocol):
    """The optimisers of the method's parameter groups, in `Method.step`.

    Groups are named by the key `name` in `Method.parameter_groups`; none named: all of them. An unknown name raises
    MethodError. Rates are set before the step, norms are clipped as everywhere, and the length of the gradients that
    `step` uses is measured for the record.
    """

    def descend(self, loss: Tensor, *groups: str) -> bool:
        """`zero_grad`, `backward` and `step`: one update of these groups; False where the loss has no gradient."""

    def zero_grad(self) -> None:
        """Set all gradients to None."""

    def backward(self, loss: Tensor, *groups: str, retain_graph: bool = False) -> bool:
        """Add the gradient of a scalar to these groups, and to no other parameter; False where it has none."""

    def step(self, *groups: str) -> None:
        """Clip the gradients of these groups and step along them; what has no gradient stays as it is."""

    def rate(self, group: str = "") -> float:
        """The learning rate of this step, of the group; of the first one where none is named."""
