"""What keeps a captured step right: what it may not do, what must be as it was, and what can be put back."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.machine import accelerator
from bench.networks.network import PassCounter
from bench.training.step import Run
from bench.training.task import NotCapturable
from methods.base import Batch

# operations whose result or its shape must be known on the host before the next one can be asked for
ASKS_FOR_CONTENT = {
    "_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique", "_unique2", "unique_consecutive",
    "equal", "bincount", "repeat_interleave", "linalg_inv_ex", "linalg_cond", "allclose",
}  # fmt: skip
_PLAIN = (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.memory_format, type)
_ON_THE_HOST = ("progress", "step", "rates")
_DEPTH = 4


class Watch(TorchDispatchMode):
    """Notes the operations of a step, and raises NotCapturable before one that no graph can hold."""

    def __init__(self, on_device: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.on_device = on_device
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._schema.name.removeprefix("aten::")
        self.names.append(name)
        places = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else ()
        if name in ASKS_FOR_CONTENT or any(place is not None and place.dtype == torch.bool for place in places):
            raise NotCapturable(f"asks for the content of a tensor in the step ({name})")
        if self.on_device and _leaves_the_device(args, kwargs or {}):
            raise NotCapturable(f"works on the host in the step ({name})")
        return function(*args, **(kwargs or {}))

    @property
    def signature(self) -> int:
        """Two steps of one signature do the same operations in the same order."""
        return hash(tuple(self.names))


def _leaves_the_device(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether an operation reads or makes tensors on the host; a single number may come from there."""
    to = kwargs.get("device")
    return (to is not None and torch.device(to).type == "cpu") or any(
        isinstance(value, Tensor) and value.device.type == "cpu" and value.dim() > 0
        for value in (*args, *kwargs.values())
    )


class DeviceBatch(Batch):
    """A batch of a step that is replayed: what differs from step to step on the host cannot be asked for.

    `noted` collects what was: "epoch", where it was read.
    """

    noted: set[str]

    def note_in(self, noted: set[str]) -> None:
        """Collect in `noted` from now on."""
        object.__setattr__(self, "noted", noted)

    def __getattribute__(self, name: str) -> Any:
        if name in _ON_THE_HOST:
            raise NotCapturable(f"reads batch.{name}")
        if name == "epoch":
            object.__getattribute__(self, "noted").add(name)
        return object.__getattribute__(self, name)


def fingerprint(run: Run) -> tuple[Any, ...]:
    """All on the host that a step of the run may depend on, comparable with ==.

    Tensors count by where they lie, since a graph reads what lies there. What cannot be seen through makes it unequal
    to any other.
    """
    parts: list[Any] = list(module_fingerprint(run.method))
    assert run.optimizers is not None
    for kind, optimizer in run.optimizers.by_kind.items():
        for group in optimizer.param_groups:
            settings = {key: value for key, value in group.items() if key not in ("lr", "params")}
            parts.append((kind, id(optimizer), _print(settings, _DEPTH), _print(list(group["params"]), _DEPTH)))
    parts.append(tuple(_print(tensor, 1) for tensor in run.optimizers.tensors))
    return tuple(parts)


def module_fingerprint(method: nn.Module) -> tuple[Any, ...]:
    """What a prediction may depend on, likewise."""
    return tuple(
        (name, key, _print(value, _DEPTH))
        for name, module in method.named_modules()
        for key, value in vars(module).items()
        if key not in ("task", "_modules")
    )


def _print(value: Any, depth: int) -> Any:
    if isinstance(value, Tensor):
        return id(value), value.data_ptr(), value.requires_grad, tuple(value.shape)
    if isinstance(value, nn.Module | PassCounter):
        return id(value)
    if isinstance(value, _PLAIN):
        return value
    if depth == 0:
        return object()
    if isinstance(value, Mapping):
        return tuple((_print(key, depth - 1), _print(entry, depth - 1)) for key, entry in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return type(value), tuple(_print(entry, depth - 1) for entry in value)
    if is_dataclass(value):
        return id(value), tuple(_print(getattr(value, entry.name, None), depth - 1) for entry in fields(value))
    if callable(value):
        return id(value)
    if type(value).__module__.split(".")[0] not in ("numpy", "torch", "builtins") and hasattr(value, "__dict__"):
        return id(value), _print(vars(value), depth - 1)
    return object()  # equal to nothing


class _Attributes:
    """What the modules of a method keep beside their tensors, containers with what is in them."""

    def __init__(self, method: nn.Module) -> None:
        self.modules = [(module, dict(vars(module))) for module in method.modules()]
        held = (value for _, values in self.modules for value in values.values())
        self.containers = [(value, copy.copy(value)) for value in held if isinstance(value, list | dict | set)]

    def restore(self) -> None:
        for module, values in self.modules:
            vars(module).clear()
            vars(module).update(values)
        for container, content in self.containers:
            container.clear()
            container.extend(content) if isinstance(container, list) else container.update(content)


class Before:
    """The state of a run before a step: what the device holds, and what the host does."""

    def __init__(self, run: Run, device: bool) -> None:
        """`device` False: nothing is done on the device meanwhile, so its tensors need not be kept."""
        assert run.optimizers is not None
        self.run = run
        on_device = run.labels.device
        held = [*run.method.parameters(), *run.method.buffers(), *run.optimizers.tensors]
        held += [run.observer.loss, run.health.place]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in held] if device else []
        self._generator = accelerator.generator_state(on_device) if accelerator.is_cuda(on_device) else None
        self._attributes = _Attributes(run.method)
        self._counter = run.task.counter.state_dict()
        self._mark = run.observer.mark()
        self._task = run.task.generator_states()
        self._global = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()

    def restore(self) -> None:
        """Put all of it back."""
        self._attributes.restore()
        with torch.no_grad():
            for tensor, value in self.tensors:
                tensor.copy_(value)
        if self._generator is not None:
            accelerator.restore_generator(self.run.labels.device, self._generator)
        self.run.task.counter.load_state_dict(self._counter)
        self.run.observer.back_to(self._mark)
        self.run.task.restore_generators(self._task)
        random.setstate(self._global[0])
        np.random.set_state(self._global[1])
        torch.set_rng_state(self._global[2])

    def take_back_passes(self) -> dict[str, int]:
        """Images that went through networks since, which are counted no longer."""
        now = self.run.task.counter.state_dict()
        self.run.task.counter.load_state_dict(self._counter)
        return {name: count - self._counter[name] for name, count in now.items()}

    def check_generators(self) -> None:
        """Raise NotCapturable where the host has drawn a random number since."""
        python, numpy, torchs = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
        moved = python != self._global[0] or str(numpy) != str(self._global[1])
        if self.run.labels.device.type != "cpu":  # there torch's own is the one of the step's operations
            moved = moved or not torch.equal(torchs, self._global[2])
        if moved:
            raise NotCapturable("draws from a global generator in the step")


@contextmanager
def sealed(run: Run) -> Iterator[None]:
    """What a method's task gives anew every time cannot be asked for: NotCapturable instead."""
    run.task.sealed = True
    try:
        yield
    finally:
        run.task.sealed = False


def apart(actual: Tensor, expected: Tensor, start: Tensor) -> float:
    """How far `actual` is from `expected`, as a share of the way from `start`; 0 where they are equal bit for bit."""
    if torch.equal(actual, expected):
        return 0.0
    if not actual.is_floating_point():
        return float("inf")
    actual, expected, start = (tensor.detach().double() for tensor in (actual, expected, start))
    way = torch.maximum((expected - start).norm(), 1e-6 * expected.norm())
    return float((actual - expected).norm() / way)
