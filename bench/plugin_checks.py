"""What a plug-in declares of optimisers, schedules, networks, views and selection rules, checked before it is used."""

from __future__ import annotations

from typing import Any, TypeVar

from bench.networks import NetworkInfo
from bench.recipe.optimizers import OptimizerKind
from bench.recipe.schedules import ScheduleKind
from common.errors import UserError
from common.registry import Named, resolve
from datasets.views import ViewPolicy
from results.selection_rules import NEEDS, SHOWN, SelectionRule

RESERVED = ("name", "optimizer", "schedule", "params")  # keys of tables and parameter groups beside settings
Entry = TypeVar("Entry", bound=Named)
Kind = TypeVar("Kind", OptimizerKind, ScheduleKind)


def _entry(entry: Any, kind: type[Entry], table: str, called: str, where: str) -> tuple[Entry, str]:
    """The entry, and how its faults begin. Raises UserError where it is not what the list `table` holds."""
    if not isinstance(entry, kind):
        raise UserError(f"{where}: {table} must be a list of {kind.__module__}.{kind.__name__}")
    return entry, f"{where}: {called} {entry.name!r}"


def _check_name(name: Any, where: str) -> None:
    if not (isinstance(name, str) and name.replace("-", "_").isidentifier() and name.islower()):
        raise UserError(f"{where}: a name is of small letters, digits, underscores and hyphens")


def _check_names(entry: Any, where: str) -> None:
    _check_name(entry.name, where)
    title = entry.title
    if not isinstance(title, str) or not title:
        raise UserError(f"{where}: `title` must be a text")


def _check_settings(entry: OptimizerKind | ScheduleKind, base: str, where: str) -> None:
    """The model of a kind's settings: one that extends what every such kind is told."""
    from pydantic import PydanticUserError

    from bench.recipe import settings as kind_settings
    from bench.recipe.tables import Table

    needed: type[Table] = getattr(kind_settings, base)
    try:
        model: Any = resolve(entry.settings)
    except (ImportError, AttributeError, ValueError) as fault:
        raise UserError(f"{where}: `settings` = {entry.settings!r}: {fault}") from None
    if not (isinstance(model, type) and issubclass(model, needed)):
        raise UserError(f"{where}: `settings` must be a subclass of bench.recipe.settings.{base}")
    fields: list[str] = list(model.model_fields)
    for key in fields:
        if key in RESERVED:
            raise UserError(f"{where}: `settings` has a key {key!r}, which is the harness's own")
    try:
        model.model_json_schema()
    except PydanticUserError as fault:
        raise UserError(f"{where}: `settings` has what a suite file cannot say: {fault.message}") from None


def _kind(entry: Any, kind: type[Kind], table: str, called: str, where: str) -> tuple[Kind, str]:
    """The same of an entry that has settings, whose model extends OptimizerSettings or ScheduleSettings."""
    declared, here = _entry(entry, kind, table, called, where)
    _check_names(declared, here)
    _check_settings(declared, f"{called.capitalize()}Settings", here)
    return declared, here


def check_view_policy(entry: Any, where: str) -> ViewPolicy:
    """An entry of a plug-in's VIEW_POLICIES. Raises UserError where it is none, or its declaration is wrong."""
    policy, here = _entry(entry, ViewPolicy, "VIEW_POLICIES", "view policy", where)
    _check_name(policy.name, here)
    if not isinstance(policy.description, str) or not policy.description:
        raise UserError(f"{here}: `description` must be a text")
    if not callable(policy.strength):
        raise UserError(f"{here}: `strength` must be a function strength(augmentation)")
    if policy.apply is not None and not callable(policy.apply):
        raise UserError(f"{here}: `apply` must be a function apply(images, numbers)")
    if type(policy.numbers) is not int or policy.numbers < 0 or (policy.numbers and policy.apply is None):
        raise UserError(f"{here}: `numbers` = {policy.numbers!r}: must be how many numbers `apply` takes for an image")
    if type(policy.first) is not bool or (policy.first and policy.apply is None):
        raise UserError(f"{here}: `first` = {policy.first!r}: must say whether `apply` comes before crop and flip")
    _check_statistics(policy.mean, policy.std, here)
    return policy


def _check_statistics(mean: Any, std: Any, where: str) -> None:
    """What a view is normalised with: neither, or a number per channel in each."""
    if mean is None and std is None:
        return
    both = all(isinstance(part, tuple) and all(isinstance(one, int | float) for one in part) for part in (mean, std))
    if not both or not len(mean) == len(std) >= 1 or min(std) <= 0:
        raise UserError(f"{where}: `mean` and `std`: must be tuples of a number per channel, deviations above 0")


def check_selection_rule(entry: Any, where: str) -> SelectionRule:
    """An entry of a plug-in's SELECTION_RULES. Raises UserError where it is none, or its declaration is wrong."""
    rule, here = _entry(entry, SelectionRule, "SELECTION_RULES", "selection rule", where)
    _check_name(rule.name, here)
    for name in ("title", "source", "lacks"):
        text = getattr(rule, name)
        if not isinstance(text, str) or not text or len(text) > 200:
            raise UserError(f"{here}: `{name}` must be a text of at most 200 characters")
    if not callable(rule.value):
        raise UserError(f"{here}: `value` must be a function value(record, curve)")
    for name, accepted in (("needs", NEEDS), ("shown", SHOWN)):
        if getattr(rule, name) not in accepted:
            told = ", ".join(repr(one) for one in accepted)
            raise UserError(f"{here}: `{name}` = {getattr(rule, name)!r}: must be one of {told}")
    return rule


def check_optimizer(entry: Any, where: str) -> OptimizerKind:
    """An entry of a plug-in's OPTIMIZERS. Raises UserError where it is none, or its declaration is wrong."""
    optimizer, here = _kind(entry, OptimizerKind, "OPTIMIZERS", "optimizer", where)
    if not callable(optimizer.build):
        raise UserError(f"{here}: `build` must be a function build(groups, fused, on_device)")
    return optimizer


def check_schedule(entry: Any, where: str) -> ScheduleKind:
    """An entry of a plug-in's SCHEDULES. Raises UserError where it is none, or its declaration is wrong."""
    schedule, here = _kind(entry, ScheduleKind, "SCHEDULES", "schedule", where)
    for name in ("rate", "first_beta"):
        function = getattr(schedule, name)
        if not callable(function) and (name == "rate" or function is not None):
            raise UserError(f"{here}: `{name}` must be a function {name}(settings, base, clock)")
    return schedule


def check_network(entry: Any, where: str) -> NetworkInfo:
    """An entry of a plug-in's NETWORKS. Raises UserError where it is none, or its declaration is wrong."""
    network, here = _entry(entry, NetworkInfo, "NETWORKS", "network", where)
    _check_names(network, here)
    named = isinstance(network.function, str) and all(network.function.partition(":"))
    if not named and not callable(network.function):
        raise UserError(f'{here}: `function` must be a function(num_classes, image_shape), or "module:name" of one')
    shape = network.image_shape
    if not isinstance(shape, tuple) or len(shape) != 3 or any(type(side) is not int or side < 1 for side in shape):
        raise UserError(f"{here}: image_shape is (channels, height, width)")
    return network
