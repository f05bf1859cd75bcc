"""LARS: each layer's rate follows the ratio of its weights' length to its gradient's (You et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def trust(weight: Tensor, gradient: Tensor, coefficient: float, weight_decay: float) -> Tensor:
    """The layer's share of the rate, coefficient |w| / (|g| + weight_decay |w|): eq. 6; 1 where a length is zero."""
    length, slope = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(gradient)
    ratio = coefficient * length / (slope + weight_decay * length)
    return torch.where((length > 0) & (slope > 0), ratio, torch.ones_like(ratio))


class Lars(Optimizer):
    """Algorithm 1: v = momentum v + rate trust (g + weight_decay w), and w falls by v.

    vectors: parameters of one dimension (biases, batch normalisation) go the same way; else plainly, without weight
    decay and with a share of 1, as in SimCLR's code.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        usual = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "trust_coefficient": 0.001, "vectors": True}
        super().__init__(groups, usual)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        if parameter.ndim > 1 or group["vectors"]:
            decay = group["weight_decay"]
            share = trust(parameter, gradient, group["trust_coefficient"], decay)
            gradient = share * (gradient + decay * parameter)
        state["momentum_buffer"].mul_(group["momentum"]).add_(gradient * group["lr"])
        parameter.sub_(state["momentum_buffer"])
