"""Checks of what a run of a method depends on, and of what it leaves behind: truth, seeds, generators, state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from bench.checks.problem import difference
from bench.checks.subject import Fault, History, Subject
from bench.training import trainer
from bench.training.seeds import Streams


def truth(subject: Subject) -> str:
    """Other true labels and another test set, with the same given labels, change nothing."""
    other = subject.train(replace(subject.problem, truth=1))
    changed = difference(subject.base.outcome, other.outcome())
    if changed is not None:
        raise Fault(f"with other true labels and the same given labels, {changed!r} is different: the truth was read")
    return "parameters, buffers, scores and predictions are the same with other true labels and another test set"


def inputs(subject: Subject) -> str:
    """Labels and images are left as they were handed over."""
    fresh, used = subject.start(subject.problem), subject.base.training
    for name, before, after in (
        ("the given labels", fresh.run.labels, used.run.labels),
        ("the training images", fresh.measures.train.loader.pixels, used.measures.train.loader.pixels),  # type: ignore[attr-defined]
    ):
        if not torch.equal(before, after):
            raise Fault(f"{name} were changed in place")
    return "labels and images are as they were"


def _same(one: object, other: object) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=np.asarray(one).dtype.kind == "f")


def state(subject: Subject) -> str:
    """What a method remembers is a parameter or a buffer, and comes back from a checkpoint bit for bit."""
    history = subject.base
    before = history.loose[0]
    for place, value in before.items():
        if isinstance(value, torch.Tensor):
            raise Fault(f"{place!r} is a tensor, but no parameter or buffer: it is not saved or moved to a device")
    for after in history.loose[1:]:
        for place, value in after.items():
            if place in before and not _same(value, before[place]):
                raise Fault(f"{place!r} changes in training, but is no parameter or buffer: it is lost on load")
            if place not in before and subject.problem.samples in value.shape:
                raise Fault(f"{place!r} keeps values of samples, but is no parameter or buffer: it is lost on load")
    if history.graph is not None:
        raise Fault(f"the buffer {history.graph!r} holds a computation graph: what is stored in it must be detached")
    last = max(history.checkpoints)
    loaded = subject.start(subject.problem)
    trainer.load_state_dict(loaded.run, history.checkpoints[last])
    changed = difference(history.outcome, loaded.outcome())
    if changed is not None:
        raise Fault(f"{changed!r} does not come back from a checkpoint bit for bit")
    return f"all {len(loaded.run.method.state_dict())} parameters and buffers come back from a checkpoint bit for bit"


def _cuts(history: History) -> list[int]:
    """Epochs after which to cut: the first, the last but one, the end of every stage, and one inside of each."""
    bounds = history.training.run.bounds
    epochs = bounds[-1][2]
    wanted = {1, epochs - 1} | {stop for _, _, stop in bounds} | {(begun + stop) // 2 for _, begun, stop in bounds}
    return sorted(cut for cut in wanted if 0 < cut < epochs)


def resume(subject: Subject) -> str:
    """A run that was cut and resumed is the uninterrupted one, in every stage."""
    history = subject.base
    cuts = _cuts(history)
    for cut in cuts:
        resumed = subject.start(subject.problem)
        trainer.load_state_dict(resumed.run, history.checkpoints[cut])
        told = history.training.curves.get("noisy_validation_accuracy", [])[:cut]
        resumed.curves |= {"noisy_validation_accuracy": list(told)} if told else {}
        changed = difference(history.outcome, resumed.train().outcome())
        if changed is not None:
            raise Fault(f"resumed after epoch {cut} of {subject.problem.epochs}, {changed!r} is different")
    return f"bit-identical when cut after epochs {', '.join(map(str, cuts))} of {subject.problem.epochs}"


def same_seed(subject: Subject) -> str:
    """The same seed gives the same result."""
    changed = difference(subject.base.outcome, subject.train(subject.problem).outcome())
    if changed is not None:
        raise Fault(f"{changed!r} differs between two runs with the same seed")
    return "two runs with the same seed are bit-identical"


def other_seed(subject: Subject) -> str:
    """Another seed gives another result."""
    other = subject.train(replace(subject.problem, seed=1))
    if difference({"p": subject.base.outcome["predictions"]}, {"p": other.predictions()}) is None:
        raise Fault("another seed gives the same predictions")
    return "another seed gives other predictions"


@contextmanager
def _other_global_generators() -> Iterator[list[str]]:
    """Seed the global generators differently at every epoch start, and say which of them moved in between.

    What they are seeded to is known, so it shows at the next epoch start whether anything was drawn.
    """
    original, moved = Streams.seed_global, list[str]()
    expected: dict[str, object] = {}

    def now() -> dict[str, object]:
        return {
            "Python's random": random.getstate(),
            "NumPy's global": str(np.random.get_state(legacy=False)),
            "torch's global": torch.get_rng_state().tolist(),
        }

    def look() -> None:
        moved.extend(name for name, value in now().items() if expected and value != expected[name])

    def seed(streams: Streams, epoch: int) -> None:
        look()
        if epoch == 0:  # before `build`, where layers of torch draw their weights: seeded as in every run
            original(streams, epoch)
            return
        random.seed(streams.seed("other python", epoch))
        np.random.seed(streams.seed("other numpy", epoch) % 2**32)
        torch.manual_seed(streams.seed("other torch", epoch))
        expected.update(now())

    setattr(Streams, "seed_global", seed)  # noqa: B010
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield moved
        look()
    finally:
        setattr(Streams, "seed_global", original)  # noqa: B010
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


def global_generators(subject: Subject) -> str:
    """Nothing is drawn from the global generators (the network of the check has no dropout)."""
    problem, outcome = subject.problem, subject.base.outcome  # which is of a run under its own seeds
    with _other_global_generators() as moved:
        other = subject.train(problem)
    if moved:
        raise Fault(f"{moved[0]} generator was drawn from; a method draws from task.rng and task.generator")
    changed = difference(outcome, other.outcome())
    if changed is not None:
        raise Fault(f"{changed!r} depends on the state of the global generators")
    return "the same result whatever their state, which is left alone"
