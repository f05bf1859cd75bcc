"""The optimisers that a suite may name: what each is told, and what the harness must know of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from common.registry import Registry

if TYPE_CHECKING:
    import torch

    from bench.recipe.settings import OptimizerSettings

Groups: TypeAlias = list[dict[str, Any]]
"""Parameter groups as torch takes them: `params`, and settings by the names that they have in a suite file."""


@dataclass(frozen=True)
class OptimizerKind:
    """An optimiser.

    settings: the model of its settings, or "module:name" of it. Each setting but `clip_norm` and `sam`, which are the
        harness's, stands in the parameter groups under its own name.
    build: `build(groups, fused, on_device)` makes it; torch is imported there and not before.
    fused_on: types of devices on which all versions of torch that are supported can fuse its step; there, and
        there alone, `build` is told `fused`.
    tensor_rate: its learning rate may be a tensor beside the parameters, which a captured step needs; then `build` is
        told `on_device` where a step may be captured.
    host_steps: it counts its steps on the host, so no step can be captured.
    first_beta: its groups have `betas`, of which a schedule may set the first.
    """

    name: str
    title: str
    settings: type[OptimizerSettings] | str
    build: Callable[[Groups, bool, bool], torch.optim.Optimizer]
    fused_on: tuple[str, ...] = ()
    tensor_rate: bool = False
    host_steps: bool = False
    first_beta: bool = False

    @property
    def obstacle(self) -> str:
        """Why no step of it can be captured; empty where it can."""
        if self.host_steps:
            return f"{self.title} counts its steps on the host"
        return "" if self.tensor_rate else f"{self.title} takes no rate from the device"


def _room_for_late_gradients(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Momentum of zero for parameters whose first gradient comes later than others' of their group.

    torch's fused step wants the momenta of all or of none; from zero the first step is the one that it would be.
    """
    from torch import zeros_like

    for group in optimizer.param_groups:
        moved = [p for p in group["params"] if p.grad is not None] if group["momentum"] else []
        known = [optimizer.state.get(p, {}).get("momentum_buffer") is not None for p in moved]
        if any(known) and not all(known):
            for parameter, has_momentum in zip(moved, known, strict=True):
                if not has_momentum:
                    optimizer.state[parameter]["momentum_buffer"] = zeros_like(parameter)


def _sgd(groups: Groups, fused: bool, on_device: bool) -> torch.optim.Optimizer:
    from torch.optim import SGD

    made = SGD(groups, fused=fused)
    made.register_step_pre_hook(_room_for_late_gradients)
    return made


def _adam(groups: Groups, fused: bool, on_device: bool) -> torch.optim.Optimizer:
    from torch.optim import Adam

    return Adam(groups, fused=fused, capturable=on_device)


def _adagrad(groups: Groups, fused: bool, on_device: bool) -> torch.optim.Optimizer:
    from torch.optim import Adagrad

    return Adagrad(groups, fused=fused)


def _adamw(groups: Groups, fused: bool, on_device: bool) -> torch.optim.Optimizer:
    from torch.optim import AdamW

    return AdamW(groups, fused=fused, capturable=on_device)


def _rmsprop(groups: Groups, fused: bool, on_device: bool) -> torch.optim.Optimizer:
    from torch.optim import RMSprop

    return RMSprop(groups)


def _lars(groups: Groups, fused: bool, on_device: bool) -> torch.optim.Optimizer:
    from bench.recipe.lars import Lars

    return Lars(groups)


_MODELS = "bench.recipe.settings"
OPTIMIZERS = Registry(
    "optimizer",
    [
        OptimizerKind("sgd", "SGD", f"{_MODELS}:Sgd", _sgd, fused_on=("cpu", "cuda"), tensor_rate=True),
        OptimizerKind(
            "adam", "Adam", f"{_MODELS}:Adam", _adam, fused_on=("cpu", "cuda"), tensor_rate=True, first_beta=True
        ),
        OptimizerKind(
            "adamw", "AdamW", f"{_MODELS}:AdamW", _adamw, fused_on=("cpu", "cuda"), tensor_rate=True, first_beta=True
        ),
        # torch 2.6 fuses Adagrad on a CPU only; it divides by a count that it keeps on the host, and takes numbers only
        OptimizerKind("adagrad", "Adagrad", f"{_MODELS}:Adagrad", _adagrad, fused_on=("cpu",), host_steps=True),
        OptimizerKind("rmsprop", "RMSprop", f"{_MODELS}:RmsProp", _rmsprop, host_steps=True),
        OptimizerKind("lars", "LARS", f"{_MODELS}:Lars", _lars),
    ],
)
