"""The check of a method's step as an accelerator replays it: recorded once, done again and again without Python."""

from __future__ import annotations

from dataclasses import replace

from bench.checks.problem import Problem, difference
from bench.checks.subject import Fault, Skip, Subject
from bench.machine import accelerator

LONGER = Problem(samples=107)  # six full batches an epoch, and a remainder
EPOCHS = 2


def capture(subject: Subject) -> str:
    """Two epochs of recorded steps are the same as Python's; here a trace stands for an accelerator's graph."""
    longer = replace(LONGER, samples=LONGER.samples * subject.scale)
    kind = "auto" if accelerator.is_cuda(subject.device) else "trace"
    python, graph = (subject.start(longer, capture=kind) for _ in range(2))
    python.run.captured = None  # all else is the same: learning rates are tensors in both
    for training in (python, graph):
        training.train(until=EPOCHS)
    captured = graph.run.captured
    assert captured is not None
    changed = difference(python.outcome(), graph.outcome())
    if changed is not None:
        raise Fault(f"after {EPOCHS} epochs of recorded steps, {changed!r} is different")
    if not captured.replayed:
        raise Skip(f"no step is captured: {captured.reason}")
    rest = f"; the others are not: {captured.reason}" if captured.reason else ""
    return f"{captured.replayed} of {captured.steps} steps are replayed, bit-identical{rest}"
