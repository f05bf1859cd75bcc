"""The conformance checks of a method, by name, through the real training loop on a small synthetic problem."""

from __future__ import annotations

import traceback
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
from bench.checks.place import told
from bench.checks.problem import LARGER
from bench.checks.subject import Check, Skip, Subject, one_line


@dataclass(frozen=True)
class Result:
    """How a check went, with one line that says what was seen or why it was skipped.

    The line of one that failed begins with file and line. traceback: of what it found, in whole.
    """

    check: str
    status: Literal["ok", "failed", "skipped"]
    seen: str
    traceback: str = ""


CHECKS: dict[str, Check] = {
    "reach": check_source.reach,
    "loss": check_training.loss,
    "gradients": check_training.gradients,
    "predictions": check_training.predictions,
    "observed": check_training.observed,
    "scores": check_training.scores,
    "networks": check_training.count_of_networks,
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


BY_SIZE = ("gradients", "cost", "learning", "score_direction", "hyper_effect")
"""The checks whose finding may come of too few samples."""


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
            again = _again(name, subject, fault)
            if again is not None:
                return Result(name, "ok", again)
            seen = told(subject.info, name, fault, one_line(fault))
            return Result(name, "failed", seen, "".join(traceback.format_exception(fault)))


def _again(name: str, subject: Subject, fault: Exception) -> str | None:
    """What is seen on a larger problem, where so few samples may be why there was a finding; None: it stands."""
    if name not in BY_SIZE or subject.problem == LARGER:
        return None
    try:
        seen = CHECKS[name](subject.larger())
    except Exception:
        return None
    return f"{seen} (on {LARGER.samples} samples; on {subject.problem.samples}: {one_line(fault)})"


def run_checks(subject: Subject, names: Iterable[str] = CHECKS) -> Iterator[Result]:
    """The checks of a method, one after the other."""
    for name in names:
        yield run_check(name, subject)
