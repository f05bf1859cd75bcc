"""A method's stages and parameter groups become settings and optimisers, with every fault told in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from bench.recipe.optimizers import OPTIMIZERS, OptimizerKind
from bench.recipe.schedules import SCHEDULES, Settings
from bench.training.optim import Group, Optimizers
from common.errors import UserError
from methods.hyper import MethodError

_HARNESS_KEYS = ("name", "clip_norm", "sam")  # settings of an optimiser that are no part of torch's groups
_GROUP_KEYS = ("params", "name", "optimizer", "schedule")  # of a method's group, beside settings


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


def _name_of(name: Any, where: str) -> str:
    """What a group is called. Raises MethodError."""
    if not isinstance(name, str):
        raise MethodError(f"{where}: key 'name' = {name!r}: must be a string")
    if name in OPTIMIZERS:
        instead = "is what optimisers are called; the group's own is its key 'optimizer'"
        raise MethodError(f"{where}: key 'name' = {name!r}: {instead}")
    return name


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
    scale: Callable[[float, str], float] = lambda progress, name: 1.0,
) -> Optimizers:
    """Optimisers for a method's parameter groups.

    settings, schedule: of the specification, overlaid by the stage's. first_epoch: epochs done before this schedule
    starts; epochs: its length. scale: what a scheduled rate is multiplied with, by the run's clock and the group's
    name. A group that names an `optimizer` of another kind takes `lr` and `clip_norm` of the specification and torch's
    defaults of that kind for the rest. Raises MethodError for an unknown optimiser or key of
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
        if "sam" in own:
            raise MethodError(f"{where}: key 'sam': is for all parameters at once, so no group has its own")
        clip_norm = own.pop("clip_norm", settings.get("clip_norm"))
        inherited = {key: settings[key] for key in settings if key not in _HARNESS_KEYS} if kind is usual else {}
        arguments = {"lr": settings["lr"], **inherited, **own, "params": list(given["params"])}
        if kind.name not in by_kind:
            by_kind[kind.name] = _make(kind, arguments, rates_on_device)
        else:
            by_kind[kind.name].add_param_group(arguments)
        group = by_kind[kind.name].param_groups[-1]
        entries.append(
            Group(
                kind,
                by_kind[kind.name],
                len(by_kind[kind.name].param_groups) - 1,
                base_lr=float(group["lr"]),
                base_beta=float(group["betas"][0]) if kind.first_beta else None,
                scheduled=bool(given.get("schedule", True)),
                clip_norm=clip_norm,
                name=_name_of(given.get("name", ""), where),
            )
        )
    sam = settings.get("sam", 0.0)
    return Optimizers(by_kind, entries, schedule, first_epoch, epochs, rates_on_device, sam, scale)
