"""Checks of hyper-parameters: bounds that are there and hold, and that every one of them does something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from bench.checks.problem import Problem, Training, difference, in_short, replace_logits, scaled
from bench.checks.subject import Fault, Skip, Subject, one_line
from methods.registry import HyperParameter, MethodError, Value, value_type, with_epochs

Hyper = dict[str, Value]
Shown = dict[str, Tensor]
Key = tuple[object, ...]
LOOKED_AT = (1, 2, 4)
"""Epochs after which predictions are compared: most hyper-parameters have told by then, and the rest is not trained."""
WRONG_TYPES: dict[type, Value] = {bool: 1, int: 1.5, float: "much", str: 3}


def _refused(declared: HyperParameter, where: str) -> list[Value]:
    """Values that must be refused. Raises Fault where the declaration leaves them open."""
    kind = value_type(declared, where)
    refused: list[Value] = [WRONG_TYPES[kind]]
    if kind is str:
        if "choices" not in declared:
            raise Fault(f"{where} has no `choices`")
        return [*refused, "no such choice"]
    if kind is not bool:
        if "bounds" not in declared:
            raise Fault(f"{where} has no `bounds`")
        low, high = declared["bounds"]
        refused += [kind(low - 1), kind(high + 1)]
    return refused


def _look_at_values(subject: Subject) -> None:
    """Raise Fault where a run has ended with another value of a hyper-parameter than it began with."""
    run = subject.base.training.run
    given = with_epochs(subject.info.hyper, run.spec.method.hyper, run.spec.epochs)
    for name, value in given.items():
        final = getattr(run.method, name, None)
        if type(final) is not type(value) or final != value:
            raise Fault(f"hyper-parameter {name!r} = {value!r} was overwritten; what changes has another name")


def bounds(subject: Subject) -> str:
    """Values stay; those of the wrong type or out of bounds are refused; at a bound the first loss is finite."""
    hyper = subject.info.hyper
    if not hyper:
        raise Skip("no hyper-parameters")
    _look_at_values(subject)
    task = subject.base.training.run.task
    count = 0
    for name, declared in hyper.items():
        where = f"hyper-parameter {name!r}"
        for value in _refused(declared, where):
            try:
                subject.cls(task, **{**subject.hyper, name: value})
            except MethodError:
                count += 1
            else:
                raise Fault(f"{where} = {value!r} was not refused")
        if "bounds" in declared and declared.get("unit") != "epochs":
            kind = value_type(declared, where)
            for bound in declared["bounds"]:
                try:
                    subject.train(replace(subject.problem, batch_size=64, epochs=1), {name: kind(bound)})
                except Exception as fault:
                    raise Fault(f"{where} = {bound}: {one_line(fault)}") from fault
    return f"{count} values of wrong type or out of bounds are refused; at each bound the first loss is finite"


def _alternatives(name: str, declared: HyperParameter) -> list[Value]:
    """Other values than the one of the base run, the nearest first."""
    used = in_short(name, declared, Problem().epochs)
    kind = value_type(declared, name)
    if kind is bool:
        return [not used]
    if kind is str:
        return [choice for choice in declared["choices"] if choice != used]
    low, high = declared["bounds"]
    epochs = Problem().epochs
    wanted: list[float]
    if declared.get("unit") == "epochs":
        used = round(used * epochs) if isinstance(used, float) else used
        wanted = [epochs // 2, 2, 1, epochs, 0]
    elif kind is int:
        nearest = used if isinstance(used, int) else int(low)
        wanted = [nearest + 1, nearest - 1, 2 * nearest, low]
    else:
        near = used if isinstance(used, float) else low + 0.3 * (high - low)
        wanted = [near, near / 2, 2 * near, (low + high) / 2, low, high]
    inside = [kind(value) for value in wanted if low <= value <= high]
    return [value for value in dict.fromkeys(inside) if value != used]


class _Runs:
    """Runs with changed hyper-parameters, each trained once, and no further than it takes to tell two of them apart."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._begun: dict[Key, Training] = {}
        self._seen: dict[tuple[Key, int], Shown | None] = {
            ((False,), subject.problem.epochs): subject.base.training.shown()
        }

    def _after(self, hyper: Mapping[str, Value], sure: bool, epochs: int) -> Shown | None:
        """Predictions after so many epochs, at the end all that the run shows; None where it diverged.

        sure: the network is very sure of itself.
        """
        key: Key = (sure, *sorted(hyper.items()))
        if (key, epochs) not in self._seen:
            try:
                training = self._begun.get(key) or self._start(hyper, sure)
                self._begun[key] = training.train(until=epochs)
                ended = epochs == self.subject.problem.epochs
                self._seen[key, epochs] = training.shown() if ended else {"predictions": training.predictions()}
            except FloatingPointError:
                self._seen |= {(key, stop): None for stop in self._stops() if stop >= epochs}
            except Exception as fault:
                raise Fault(f"with {', '.join(f'{k} = {v!r}' for k, v in hyper.items())}: {one_line(fault)}") from fault
        return self._seen[key, epochs]

    def _start(self, hyper: Mapping[str, Value], sure: bool) -> Training:
        training = self.subject.start(self.subject.problem, hyper)
        if sure:
            replace_logits(training, scaled)
        return training

    def _stops(self) -> list[int]:
        epochs = self.subject.problem.epochs
        return [*(stop for stop in LOOKED_AT if stop < epochs), epochs]

    def differ(self, one: Mapping[str, Value], other: Mapping[str, Value], sure: bool = False) -> bool:
        """Whether two runs show something different before one of them diverges."""
        for epochs in self._stops():
            first, second = self._after(one, sure, epochs), self._after(other, sure, epochs)
            if first is None or second is None:
                return False
            if difference(first, second) is not None:
                return True
        return False


def _surroundings(subject: Subject, name: str) -> Iterator[tuple[Hyper, bool]]:
    """What a hyper-parameter is varied in besides the base run: a very sure network, then one other changed as well."""
    yield {}, True
    for other, declared in subject.info.hyper.items():
        if other != name:
            for value in _alternatives(other, declared)[:2]:
                yield {other: value}, False


def _tries(subject: Subject, name: str, values: Sequence[Value]) -> Iterator[tuple[Hyper, bool, Value]]:
    """Surroundings and another value of a hyper-parameter in them, what is likelier to tell first.

    What tells in none of the base run's tries mostly waits for another hyper-parameter, whatever its value.
    """
    yield from (({}, False, value) for value in values)
    for some in (values[:1], values[1:3]):
        for around, sure in _surroundings(subject, name):
            yield from ((around, sure, value) for value in some)


def hyper_effect(subject: Subject) -> str:
    """Every hyper-parameter changes what comes out of a run with noisy labels."""
    hyper = subject.info.hyper
    if not hyper:
        raise Skip("no hyper-parameters")
    runs = _Runs(subject)
    conditional = []
    for name, declared in hyper.items():
        values = _alternatives(name, declared)
        for around, sure, value in _tries(subject, name, values):
            if runs.differ(around, {**around, name: value}, sure):
                if sure or around:
                    conditional.append(f"{name} with {next(iter(around), 'large logits')}")
                break
        else:
            raise Fault(f"hyper-parameter {name!r} changes nothing (tried {', '.join(map(str, values[:3]))})")
    return f"all {len(hyper)} change the outcome" + (f" ({'; '.join(conditional)})" if conditional else "")
