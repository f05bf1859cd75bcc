"""Optimisers and learning-rate schedules, built from the settings of a specification."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Settings = Mapping[str, Any]
_CLASSES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adagrad": torch.optim.Adagrad}
_ARGUMENTS = {
    "sgd": ("lr", "momentum", "nesterov", "weight_decay"),
    "adam": ("lr", "betas", "weight_decay"),
    "adagrad": ("lr", "weight_decay"),
}
_OWN_KEYS = ("optimizer", "schedule", "clip_norm")


def in_epochs(value: float, epochs: float) -> float:
    """A number of epochs; a float below 1 is that share of `epochs`."""
    # rounded, since .55 * 100 is a little more than 55: a step at epoch 55 would wait for epoch 56
    return round(value * epochs, 9) if isinstance(value, float) and value < 1 else float(value)


def learning_rate(schedule: Settings, base: float, progress: float, epochs: int) -> float:
    """The rate after `progress` epochs (a float, 0 at the start) of a schedule that lasts `epochs`.

    With `update = "epoch"` the rate of an epoch is that of its start, as with PyTorch's per-epoch schedulers.
    """
    clock = math.floor(progress) if schedule["update"] == "epoch" else progress
    warmup = in_epochs(schedule["warmup"], epochs)
    if clock < warmup:
        return float(base * min(1.0, (clock + (schedule["update"] == "epoch")) / warmup))
    name = schedule["name"]
    if name == "multi_step":
        passed = sum(clock >= in_epochs(milestone, epochs) for milestone in schedule["milestones"])
        return float(base * schedule["factor"] ** passed)
    if name in ("cosine", "cosine_restarts"):
        if name == "cosine":
            share = (clock - warmup) / max(epochs - warmup, 1e-12)
        else:
            period = in_epochs(schedule["period"], epochs)
            share = (clock - warmup) % period / period
        lowest = schedule["minimum"]
        return float(lowest + (base - lowest) * (1 + math.cos(math.pi * min(share, 1.0))) / 2)
    if name == "linear":
        start = in_epochs(schedule["start"], epochs)
        return base if clock < start else base * max(0.0, (epochs - clock) / (epochs - start))
    return base


def first_beta(schedule: Settings, base: float, progress: float, epochs: int) -> float:
    """Adam's first beta: `beta1_after` once a linear decay has begun (as co-teaching's authors do), else `base`."""
    after = schedule.get("beta1_after")
    if after is None or math.floor(progress) < in_epochs(schedule["start"], epochs):
        return base
    return float(after)


@dataclass
class _Group:
    """What the schedule and the clipping need to know of a parameter group.

    It is named by optimiser and position, since loading a state replaces the group's dictionary.
    """

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
            # torch's Adagrad divides by a count that it keeps on the host, and takes numbers only
            if self.rates_on_device and not isinstance(entry.optimizer, torch.optim.Adagrad):
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

    def gradient_norm(self) -> Tensor:
        """The length of the whole gradient, before clipping: a scalar beside the parameters."""
        groups = (entry.group["params"] for entry in self.groups)
        return nn.utils.get_total_norm([p.grad for params in groups for p in params if p.grad is not None])

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


def _fused(kind: str, parameters: Sequence[Tensor]) -> bool:
    devices = ("cpu",) if kind == "adagrad" else ("cpu", "cuda")  # torch 2.6 fuses Adagrad on a CPU only
    return all(p.device.type in devices and p.is_floating_point() for p in parameters)


def _make(kind: str, group: dict[str, Any], rates_on_device: bool) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"fused": _fused(kind, group["params"])}
    if kind == "adam" and rates_on_device:
        options["capturable"] = True
    made: torch.optim.Optimizer = _CLASSES[kind]([group], **options)
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

    settings: the suite's, overlaid by the stage's. first_epoch: epochs done before this schedule starts; epochs: its
    length. A group that names an `optimizer` of another kind takes `lr` and `clip_norm` of the suite and that kind's
    defaults for the rest. Raises ValueError for an unknown optimiser or group key.
    """
    by_kind: dict[str, torch.optim.Optimizer] = {}
    entries = []
    for given in groups:
        kind = str(given.get("optimizer", settings["name"]))
        if kind not in _CLASSES:
            raise ValueError(f"unknown optimizer {kind!r} in a parameter group (accepted: {', '.join(_CLASSES)})")
        inherited = {key: settings[key] for key in _ARGUMENTS[kind] if key in settings and kind == settings["name"]}
        own = {key: value for key, value in given.items() if key not in (*_OWN_KEYS, "params")}
        extra = set(own) - set(_ARGUMENTS[kind])
        if extra:
            raise ValueError(f"a parameter group of {kind} has no setting {sorted(extra)[0]!r}")
        arguments = {"lr": settings["lr"], **inherited, **own, "params": list(given["params"])}
        if kind not in by_kind:
            by_kind[kind] = _make(kind, arguments, rates_on_device)
        else:
            by_kind[kind].add_param_group(arguments)
        group = by_kind[kind].param_groups[-1]
        entries.append(
            _Group(
                by_kind[kind],
                len(by_kind[kind].param_groups) - 1,
                base_lr=float(group["lr"]),
                base_beta=float(group["betas"][0]) if kind == "adam" else None,
                scheduled=bool(given.get("schedule", True)),
                clip_norm=given.get("clip_norm", settings.get("clip_norm")),
            )
        )
    return Optimizers(by_kind, entries, schedule, first_epoch, epochs, rates_on_device)
