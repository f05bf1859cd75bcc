"""The conformance checks of a method, by name, through the real training loop on a small synthetic problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from bench.checks import capture as check_capture
from bench.checks import hyper as check_hyper
from bench.checks import source as check_source
from bench.checks import state as check_state
from bench.checks import training as check_training
from bench.checks.subject import Check, Skip, Subject, one_line


@dataclass(frozen=True)
class Result:
    """How a check went, with one line that says what was seen or why it was skipped."""

    check: str
    status: Literal["ok", "failed", "skipped"]
    seen: str


CHECKS: dict[str, Check] = {
    "reach": check_source.reach,
    "loss": check_training.loss,
    "gradients": check_training.gradients,
    "predictions": check_training.predictions,
    "scores": check_training.scores,
    "cost": check_training.cost,
    "inputs": check_state.inputs,
    "truth": check_state.truth,
    "state": check_state.state,
    "resume": check_state.resume,
    "capture": check_capture.capture,
    "same_seed": check_state.same_seed,
    "other_seed": check_state.other_seed,
    "global_generators": check_state.global_generators,
    "classes": check_training.classes,
    "batches": check_training.batches,
    "precision": check_training.precision,
    "large_logits": check_training.large_logits,
    "learning": check_training.learning,
    "score_direction": check_training.score_direction,
    "bounds": check_hyper.bounds,
    "hyper_effect": check_hyper.hyper_effect,
}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_check(name: str, subject: Subject) -> Result:
    """One check of a method. Whatever a method raises is a fault of it."""
    with _one_thread():
        try:
            return Result(name, "ok", CHECKS[name](subject))
        except Skip as reason:
            return Result(name, "skipped", str(reason))
        except Exception as fault:
            return Result(name, "failed", one_line(fault))


def run_checks(method: str, names: Iterable[str] = CHECKS) -> Iterator[Result]:
    """The checks of a registered method, one after the other. Raises MethodError where it cannot be loaded."""
    subject = Subject(method)
    for name in names:
        yield run_check(name, subject)
