"""Optimisers, built from the settings of a specification, of a method's stages and of its parameter groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bench.recipe.optimizers import OPTIMIZERS, OptimizerKind
from bench.recipe.schedules import SCHEDULES, Settings, first_beta, learning_rate
from common.errors import UserError
from methods.hyper import MethodError

_HARNESS_KEYS = ("name", "clip_norm")  # settings of an optimiser that are no part of torch's groups
_GROUP_KEYS = ("params", "optimizer", "schedule")  # of a method's group, beside settings


@dataclass
class _Group:
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

    @property
    def group(self) -> dict[str, Any]:
        return self.optimizer.param_groups[self.position]


@dataclass
class Optimizers:
    """All optimisers of a stage: one per kind, since groups may name their own."""

    by_kind: dict[str, torch.optim.Optimizer]
    groups: list[_Group]
    schedule: Settings
    first_epoch: int
    epochs: int
    rates_on_device: bool = False  # rates are tensors there, so that a captured step can be given others
    _clipped: list[_Group] = field(init=False)

    def __post_init__(self) -> None:
        self._clipped = [group for group in self.groups if group.clip_norm is not None]

    def rates(self, progress: float) -> list[float]:
        """Every group's rate for the run's clock."""
        clock = progress - self.first_epoch
        return [
            learning_rate(self.schedule, entry.base_lr, clock, self.epochs) if entry.scheduled else entry.base_lr
            for entry in self.groups
        ]

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

    def _rate_tensor(self, entry: _Group) -> Tensor:
        """The group's rate as a tensor beside its parameters; a loaded state may hold a number, or one elsewhere."""
        found, device = entry.group["lr"], entry.group["params"][0].device
        if not isinstance(found, Tensor) or found.device != device:
            found = entry.group["lr"] = torch.full((), float(found), device=device)
        return found

    @property
    def obstacle(self) -> str:
        """Why no step of these optimisers can be captured; empty where it can."""
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

    def gradient_norm(self) -> Tensor | None:
        """The length of the whole gradient, before clipping: a scalar beside the parameters; None: there is none."""
        groups = (entry.group["params"] for entry in self.groups)
        gradients = [p.grad for params in groups for p in params if p.grad is not None]
        return nn.utils.get_total_norm(gradients) if gradients else None  # of none it would lie on the CPU

    def step(self) -> None:
        """Clip each group that asks for it by its own norm, then step."""
        for entry in self._clipped:
            assert entry.clip_norm is not None
            nn.utils.clip_grad_norm_(entry.group["params"], entry.clip_norm)
        for optimizer in self.by_kind.values():
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """States by kind of optimiser; tensors and plain Python scalars only."""
        return {kind: optimizer.state_dict() for kind, optimizer in self.by_kind.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for kind, optimizer in self.by_kind.items():
            optimizer.load_state_dict(state[kind])


def of_stage(optimizer: Settings, schedule: Settings, own: Mapping[str, Any], where: str) -> tuple[Settings, Settings]:
    """The settings of optimiser and schedule in a stage of a method: its own over the specification's.

    own: settings, and `schedule` as a table of its own. where: what messages begin with. Raises MethodError.
    """
    if not own:
        return optimizer, schedule
    from bench.recipe.kinds import OPTIMIZER, SCHEDULE
    from bench.recipe.validation import Place

    own, changed = dict(own), own.get("schedule", {})
    own.pop("schedule", None)
    try:
        if not isinstance(changed, Mapping):
            raise UserError(f"{where}: key 'optimizer.schedule' = {changed!r}: must be a table")
        place = Place(where, "optimizer.schedule")
        plan = SCHEDULE.specified(SCHEDULE.overlaid(schedule, changed, place), place)
        place = Place(where, "optimizer")
        whole = OPTIMIZER.overlaid(optimizer, own, place)
        still = {"lr": whole.pop("lr")} if whole.get("lr") == 0 else {}  # which no suite may say, but a method may
        return {**OPTIMIZER.specified(whole, place), **still}, plan
    except UserError as fault:
        raise MethodError(str(fault)) from None


def _of_group(kind: OptimizerKind, own: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A group's own settings, checked. Raises MethodError."""
    if not own:
        return {}
    from bench.recipe.kinds import model_of
    from bench.recipe.validation import Place, validate_part

    still = {"lr": own["lr"]} if own.get("lr") == 0 else {}
    place = Place(where, also=_GROUP_KEYS, by=f"optimizer {kind.name!r}")
    try:
        checked = validate_part(model_of(kind), {key: own[key] for key in own if key not in still}, place)
    except UserError as fault:
        raise MethodError(str(fault)) from None
    return {**checked.model_dump(exclude_unset=True), **still}


def _kind_of_group(name: Any, where: str) -> OptimizerKind:
    try:
        return OPTIMIZERS.get(str(name), f"{where}: key 'optimizer'")
    except UserError as fault:
        raise MethodError(str(fault)) from None


def _make(kind: OptimizerKind, group: dict[str, Any], rates_on_device: bool) -> torch.optim.Optimizer:
    fused = all(p.device.type in kind.fused_on and p.is_floating_point() for p in group["params"])
    made = kind.build([group], fused, kind.tensor_rate and rates_on_device)
    setattr(made, "_warned_capturable_if_run_uncaptured", True)  # noqa: B010  # some steps are not, as they must
    return made


def build(
    groups: Sequence[Mapping[str, Any]],
    settings: Settings,
    schedule: Settings,
    first_epoch: int,
    epochs: int,
    rates_on_device: bool = False,
) -> Optimizers:
    """Optimisers for a method's parameter groups.

    settings, schedule: of the specification, overlaid by the stage's. first_epoch: epochs done before this schedule
    starts; epochs: its length. A group that names an `optimizer` of another kind takes `lr` and `clip_norm` of the
    specification and torch's defaults of that kind for the rest. Raises MethodError for an unknown optimiser or key of
    a group, UserError for an unknown optimiser or schedule of the specification.
    """
    SCHEDULES[schedule["name"]]  # a wrong name is told before the first step
    usual = OPTIMIZERS[settings["name"]]
    by_kind: dict[str, torch.optim.Optimizer] = {}
    entries = []
    for number, given in enumerate(groups, 1):
        where = f"parameter group {number}"
        kind = _kind_of_group(given["optimizer"], where) if "optimizer" in given else usual
        own = _of_group(kind, {key: given[key] for key in given if key not in _GROUP_KEYS}, where)
        clip_norm = own.pop("clip_norm", settings.get("clip_norm"))
        inherited = {key: settings[key] for key in settings if key not in _HARNESS_KEYS} if kind is usual else {}
        arguments = {"lr": settings["lr"], **inherited, **own, "params": list(given["params"])}
        if kind.name not in by_kind:
            by_kind[kind.name] = _make(kind, arguments, rates_on_device)
        else:
            by_kind[kind.name].add_param_group(arguments)
        group = by_kind[kind.name].param_groups[-1]
        entries.append(
            _Group(
                kind,
                by_kind[kind.name],
                len(by_kind[kind.name].param_groups) - 1,
                base_lr=float(group["lr"]),
                base_beta=float(group["betas"][0]) if kind.first_beta else None,
                scheduled=bool(given.get("schedule", True)),
                clip_norm=clip_norm,
            )
        )
    return Optimizers(by_kind, entries, schedule, first_epoch, epochs, rates_on_device)
