"""What a method does while it trains that its run does not keep: what it observes, and which classifiers it uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from bench.training.step import Run
from methods.base import Batch, Network, Observe

SUM = 1e-3  # by which a row of probabilities may miss one


def are_probabilities(values: Tensor) -> bool:
    """Whether every row, along the last axis, is not negative and sums to one: no logits do so by chance."""
    values = values.detach().float()
    return bool((values >= 0).all()) and bool(((values.sum(-1) - 1).abs() < SUM).all())


@dataclass
class Watched:
    """reports: how often something was observed, probabilities: how many were such.

    idle: classifiers of networks that no pass went through.
    """

    reports: int = 0
    probabilities: int = 0
    idle: set[str] = field(default_factory=set)


def networks(method: nn.Module) -> dict[str, Network]:
    """The networks of a method by name, not those inside of others."""
    modules = {name: module for name, module in method.named_modules() if isinstance(module, Network)}
    return {name: one for name, one in modules.items() if not any(name.startswith(f"{other}.") for other in modules)}


def watch(run: Run) -> Watched:
    """Look on, from now on."""
    watched, of_rows = Watched(), run.observer.for_rows

    def for_rows(index: Tensor) -> Observe:
        told = of_rows(index)

        def observe(logits: Tensor, batch: Batch | None = None, **values: Tensor) -> None:
            told(logits, batch, **values)
            watched.reports += 1
            watched.probabilities += are_probabilities(logits)

        return observe

    setattr(run.observer, "for_rows", for_rows)  # noqa: B010
    for name, network in networks(run.method).items():
        parts = {f"{name}.{key}" for key, part in network.named_modules() if part is network.blocks[-1]}
        watched.idle |= parts

        def used(*_: object, parts: set[str] = parts) -> None:
            watched.idle -= parts

        network.blocks[-1].register_forward_hook(used)
    return watched
