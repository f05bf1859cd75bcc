"""The method under check: what the checks ask of it, and the one run that many of them look at."""

from __future__ import annotations

import copy
import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.checks.problem import LARGER, NETWORK, SMALL, Problem, Training, start
from bench.checks.watched import Watched, watch
from bench.training import checkpoint, trainer
from methods import registry as methods
from methods.base import Method
from methods.registry import MethodError, MethodInfo, Value

BATCH_NORMALISATION = "Expected more than 1 value per channel"  # torch says, where a head has it
Loose = dict[str, Tensor | np.ndarray]
_INSIDE_MODULES = ("_parameters", "_buffers", "_modules", "task")


class Fault(Exception):
    """A check has found a fault. The text is one line that says what was seen."""


class Skip(Exception):
    """A check does not apply. The text says why."""


def loose_arrays(method: Method) -> Loose:
    """Tensors and NumPy arrays that a method keeps beside its parameters and buffers, by the name of their place."""
    own = {id(tensor) for tensor in (*method.parameters(), *method.buffers())}
    loose: Loose = {}
    seen: set[int] = set()

    def walk(value: Any, place: str) -> None:
        if isinstance(value, nn.Module | type) or id(value) in seen or id(value) in own:
            return
        seen.add(id(value))
        if isinstance(value, Tensor | np.ndarray):
            loose[place] = value
        elif isinstance(value, Mapping):
            for key, entry in value.items():
                walk(entry, f"{place}[{key!r}]")
        elif isinstance(value, list | tuple | set | frozenset):
            for number, entry in enumerate(value):
                walk(entry, f"{place}[{number}]")
        elif is_dataclass(value):
            for entry in fields(value):
                walk(getattr(value, entry.name, None), f"{place}.{entry.name}")
        elif type(value).__module__.split(".")[0] not in ("torch", "builtins") and hasattr(value, "__dict__"):
            for key, entry in vars(value).items():
                walk(entry, f"{place}.{key}")

    for prefix, module in method.named_modules():
        if module is not method and type(module).__module__.split(".")[0] in ("torch", "bench"):
            continue
        for key, value in vars(module).items():
            if key not in _INSIDE_MODULES:
                walk(value, f"{prefix}.{key}" if prefix else key)
    return loose


@dataclass
class History:
    """The base run of a method: what it showed, and where it stood after every epoch."""

    training: Training
    outcome: dict[str, Tensor]
    checkpoints: dict[int, dict[str, Any]]
    loose: list[Loose]  # before the first epoch, and after every one
    graph: str | None  # a buffer that was found to hold a computation graph
    without_gradient: list[str]  # that never moved either
    untouched: set[str]  # parameters without a gradient, an average of weights' too
    watched: Watched
    small: str = ""  # why the usual problem has too few samples for the method


class Subject:
    """A registered method. Raises MethodError where it is unknown or cannot be imported.

    hyper: hyper-parameters that all its runs have; device, network: what they are trained on and with. first: the
    problem that is looked at; None: a small one, or where the method fails on that, a larger one.
    """

    def __init__(
        self,
        name: str,
        hyper: Mapping[str, Value] | None = None,
        device: str = "cpu",
        network: str = NETWORK,
        first: Problem | None = None,
    ) -> None:
        self.info: MethodInfo = methods.info(name)
        self.cls: type[Method] = methods.load(name)
        self.hyper, self.device, self.network, self.first = dict(hyper or {}), device, network, first

    def larger(self) -> Subject:
        """The same method on the larger problem."""
        return Subject(self.info.name, self.hyper, self.device, self.network, LARGER)

    @property
    def problem(self) -> Problem:
        """The problem that is looked at."""
        try:
            return self._based[0]
        except Exception:  # the checks that look at its run say what it is
            return self.first or SMALL

    @property
    def scale(self) -> int:
        """How many times as many samples other problems should have than usual."""
        return self.problem.samples // SMALL.samples

    def start(self, problem: Problem, hyper: Mapping[str, Value] | None = None, capture: str = "off") -> Training:
        """A run before its first epoch."""
        here = replace(problem, network=self.network, device=self.device)
        return start(self.info.name, here, {**self.hyper, **(hyper or {})}, capture)

    def train(self, problem: Problem, hyper: Mapping[str, Value] | None = None) -> Training:
        """A run that was trained to its end."""
        return self.start(problem, hyper).train()

    @property
    def base(self) -> History:
        """The problem trained without interruption, saved and looked at after every epoch."""
        return self._based[1]

    @functools.cached_property
    def _based(self) -> tuple[Problem, History]:
        first = self.first or SMALL
        try:
            return first, self._history(first)
        except (Fault, FloatingPointError):
            raise
        except Exception as fault:
            if first is LARGER:
                raise
            try:
                history = self._history(LARGER)
            except Exception:
                raise fault from None
            history.small = f" (on {LARGER.samples} samples; on {first.samples}: {one_line(fault)})"
            return LARGER, history

    def _history(self, problem: Problem) -> History:
        training = self.start(problem)
        method = training.run.method
        learning = dict(method.named_parameters())
        initial = {name: parameter.detach().clone() for name, parameter in learning.items()}
        untouched = set(learning)
        history = History(
            training, {}, {}, [copy.deepcopy(loose_arrays(method))], None, [], untouched, watch(training.run)
        )

        def after_step(progress: float) -> None:
            for name in list(untouched):
                gradient = learning[name].grad
                if gradient is not None and bool(gradient.any()):
                    untouched.discard(name)

        def after_epoch() -> None:
            history.loose.append(copy.deepcopy(loose_arrays(method)))
            graphs = [name for name, buffer in method.named_buffers() if buffer.requires_grad]
            history.graph = history.graph or (graphs[0] if graphs else None)
            history.checkpoints[training.run.position.epoch] = through_file(
                trainer.state_dict(training.run), training.run.labels.device
            )

        training.run.beat = after_step
        training.train(after_epoch=after_epoch)
        # An average of weights takes no gradient, and moves.
        history.without_gradient = [name for name in sorted(untouched) if torch.equal(initial[name], learning[name])]
        history.outcome = training.outcome()
        return history


def through_file(state: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The state as a checkpoint gives it back. Raises Fault where it holds more than tensors and plain values."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.pt"
        checkpoint.save(path, state)
        restored = checkpoint.load(path, device)
    if restored is None:
        raise Fault("the state cannot be read back from a checkpoint: it holds more than tensors and plain values")
    return restored


Check = Callable[[Subject], str]


def each_training(subject: Subject, problems: Mapping[str, Problem]) -> tuple[dict[str, Training], str]:
    """Trainings on each of the problems, and what to say of them. Raises Fault naming the one that went wrong.

    A method may refuse a problem by a MethodError that says why, but not all of them.
    """
    trainings, refused = dict[str, Training](), list[str]()
    for title, problem in problems.items():
        try:
            trainings[title] = subject.train(problem)
        except MethodError as reason:
            refused.append(f"; refuses {title}: {one_line(reason)}")
        except ValueError as fault:
            if problem.batch_size > 1 or BATCH_NORMALISATION not in str(fault):
                raise Fault(f"with {title}: {one_line(fault)}") from fault
            refused.append(f"; batch normalisation needs more than {title}")
        except Exception as fault:
            raise Fault(f"with {title}: {one_line(fault)}") from fault
    if not trainings:
        raise Fault("".join(refused).lstrip("; "))
    return trainings, f"trains with {', '.join(trainings)}" + "".join(refused)


def one_line(fault: BaseException) -> str:
    """An exception as one line for the user."""
    text = " ".join(str(fault).split())
    return text if isinstance(fault, Fault | MethodError) else f"{type(fault).__name__}: {text}"
