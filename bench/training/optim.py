"""The optimisers of a run: rates by the schedule, clipping, steps, and what a checkpoint holds of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bench.recipe.optimizers import OptimizerKind
from bench.recipe.schedules import Settings, first_beta, learning_rate
from methods.hyper import MethodError


@dataclass
class Group:
    """What the schedule and the clipping need to know of a parameter group.

    It is named by optimiser and position, since loading a state replaces the group's dictionary.
    """

    kind: OptimizerKind
    optimizer: torch.optim.Optimizer
    position: int
    base_lr: float
    base_beta: float | None
    scheduled: bool
    clip_norm: float | None
    name: str = ""  # what a method that takes its steps itself calls it

    @property
    def group(self) -> dict[str, Any]:
        return self.optimizer.param_groups[self.position]

    @property
    def parameters(self) -> list[Tensor]:
        parameters: list[Tensor] = self.group["params"]
        return parameters


@dataclass
class Optimizers:
    """All optimisers of a stage: one per kind, since groups may name their own."""

    by_kind: dict[str, torch.optim.Optimizer]
    groups: list[Group]
    schedule: Settings
    first_epoch: int
    epochs: int
    rates_on_device: bool = False  # rates are tensors there, so that a captured step can be given others
    sam: float = 0.0  # radius of sharpness-aware minimisation; 0: none
    scale: Callable[[float, str], float] = lambda progress, name: 1.0  # of a scheduled rate; by clock and group's name
    _clipped: list[Group] = field(init=False)

    def __post_init__(self) -> None:
        self._clipped = [group for group in self.groups if group.clip_norm is not None]

    def rates(self, progress: float) -> list[float]:
        """Every group's rate for the run's clock."""
        return [self._rate(entry, progress) if entry.scheduled else entry.base_lr for entry in self.groups]

    def _rate(self, entry: Group, progress: float) -> float:
        """A scheduled group's. Raises MethodError where the method's scale is none."""
        scale = float(self.scale(progress, entry.name))
        if not 0 <= scale < math.inf:
            raise MethodError(f"rate_scale({progress:g}, {entry.name!r}) = {scale}: must be a number from 0 on")
        return scale * learning_rate(self.schedule, entry.base_lr, progress - self.first_epoch, self.epochs)

    def set_rates(self, progress: float) -> float:
        """Set every group's rate for the run's clock, and Adam's first beta; returns the first group's rate."""
        rates = self.rates(progress)
        for entry, rate in zip(self.groups, rates, strict=True):
            if self.rates_on_device and entry.kind.tensor_rate:
                self._rate_tensor(entry).fill_(rate)
            else:
                entry.group["lr"] = rate
            if entry.scheduled and entry.base_beta is not None:
                beta = first_beta(self.schedule, entry.base_beta, progress - self.first_epoch, self.epochs)
                entry.group["betas"] = (beta, entry.group["betas"][1])
        return rates[0]

    def take_rates(self, rates: Tensor) -> None:
        """Set every group's rate to its entry of `rates` [groups], without asking the device for it."""
        for entry, rate in zip(self.groups, rates.unbind(), strict=True):
            self._rate_tensor(entry).copy_(rate)

    def _rate_tensor(self, entry: Group) -> Tensor:
        """The group's rate as a tensor beside its parameters; a loaded state may hold a number, or one elsewhere."""
        rate, device = entry.group["lr"], entry.group["params"][0].device
        if not isinstance(rate, Tensor) or rate.device != device:
            rate = entry.group["lr"] = torch.full((), float(rate), device=device)
        return rate

    @property
    def obstacle(self) -> str:
        """Why no step of these optimisers can be captured; empty where it can."""
        if self.sam:
            return "sharpness-aware minimisation asks for the loss of a step twice"
        return next((entry.kind.obstacle for entry in self.groups if entry.kind.obstacle), "")

    @property
    def tensors(self) -> list[Tensor]:
        """What the optimisers remember of each parameter."""
        return [
            value
            for optimizer in self.by_kind.values()
            for state in optimizer.state.values()
            for value in state.values()
            if isinstance(value, Tensor)
        ]

    def zero_grad(self) -> None:
        """Set all gradients to None, so that a network without a part in the step is not moved."""
        for optimizer in self.by_kind.values():
            optimizer.zero_grad(set_to_none=True)

    def parameters(self) -> list[Tensor]:
        """All parameters that these optimisers move."""
        return [parameter for entry in self.groups for parameter in entry.parameters]

    def gradient_norm(self, groups: Sequence[Group] | None = None) -> Tensor | None:
        """The length of the gradient, before clipping: a scalar beside the parameters; None: there is none.

        groups: of these parameters; None: of all.
        """
        gradients = [p.grad for entry in groups or self.groups for p in entry.parameters if p.grad is not None]
        return nn.utils.get_total_norm(gradients) if gradients else None  # of none it would lie on the CPU

    def step(self) -> None:
        """Clip each group that asks for it by its own norm, then step."""
        for entry in self._clipped:
            assert entry.clip_norm is not None
            nn.utils.clip_grad_norm_(entry.parameters, entry.clip_norm)
        for optimizer in self.by_kind.values():
            optimizer.step()

    def step_alone(self, groups: Sequence[Group]) -> None:
        """Likewise of these groups alone; the gradients of the others stay, and move nothing."""
        own = {id(parameter) for entry in groups for parameter in entry.parameters}
        others = [(other, other.grad) for other in self.parameters() if id(other) not in own]
        for other, _ in others:
            other.grad = None
        self.step()
        for other, gradient in others:
            other.grad = gradient

    def state_dict(self) -> dict[str, Any]:
        """States by kind of optimiser; tensors and plain Python scalars only."""
        return {kind: optimizer.state_dict() for kind, optimizer in self.by_kind.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for kind, optimizer in self.by_kind.items():
            optimizer.load_state_dict(state[kind])
