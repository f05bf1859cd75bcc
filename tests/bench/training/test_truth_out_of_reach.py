"""No way leads from a task or a batch to the truth: not to the true labels, not to which labels are wrong."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from bench.checks.problem import Problem, make_data, start
from methods.base import Batch


def reachable(start: object) -> Iterator[object]:
    """Every object that attributes, items, closures, bound methods and defaults lead to."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, types.ModuleType | type):
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, Mapping):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, list | tuple | set | frozenset):
            waiting += found
        elif isinstance(found, types.FunctionType):
            waiting += [cell.cell_contents for cell in found.__closure__ or ()]
            waiting += [found.__defaults__, found.__kwdefaults__]
        elif isinstance(found, types.MethodType):
            waiting += [found.__self__, found.__func__]
        elif not isinstance(found, Tensor | np.ndarray):
            waiting += vars(found).values() if hasattr(found, "__dict__") else ()


def as_array(value: object) -> Any:
    return value.detach().numpy() if isinstance(value, Tensor) else value if isinstance(value, np.ndarray) else None


def tells(value: object, truth: list[Any]) -> bool:
    """Whether an array is one of those that tell the truth."""
    array = as_array(value)
    return any(array is not None and array.shape == one.shape and np.array_equal(array, one) for one in truth)


@pytest.fixture(scope="module")
def handed_over() -> tuple[list[object], list[Any]]:
    """What a method of two views and two streams is handed, and the arrays that it must not reach."""
    training = start("divide_mix", Problem())
    method, batches = training.run.method, list[Batch]()
    inner = method.loss

    def loss(batch: Batch) -> Tensor:
        batches.append(batch)
        return inner(batch)

    method.loss = loss  # type: ignore[method-assign]
    training.train(until=3)
    data = make_data(Problem())
    wrong = data.given != data.train.labels
    assert wrong.any() and any(batch.streams for batch in batches)
    parts = [
        data.train.labels,
        wrong,
        ~wrong,
        wrong.astype(np.float32),
        data.dataset.test.pixels,
        data.dataset.test.labels,
    ]
    return [method.task, batches], parts


def test_nothing_that_a_method_is_handed_leads_to_the_truth(handed_over: tuple[list[object], list[Any]]) -> None:
    objects, truth = handed_over
    found = list(reachable(objects))
    assert any(as_array(each) is not None for each in found), "the walk sees no array at all"
    assert not [each for each in found if tells(each, truth)]


def test_the_walk_would_see_it() -> None:
    """What an observer holds is seen, if a closure leads to the observer."""
    run = start("cross_entropy", Problem()).run
    mislabelled = run.observer.mislabelled
    assert mislabelled is not None

    def observe() -> object:
        return run.observer

    assert any(tells(each, [mislabelled.numpy()]) for each in reachable(observe))


def test_only_declared_facts_are_in_the_task() -> None:
    run = start("co_teaching", Problem(noise=0.4)).run
    assert run.task.known("noise_rate") == pytest.approx(0.3)  # 40% drawn anew among four classes
    for fact in ("matrix", "noise_kind", "true_labels"):
        with pytest.raises(PermissionError, match=fact):
            run.task.known(fact)
    assert not [each for each in reachable(run.task) if isinstance(each, Tensor) and each.shape == (4, 4)]
